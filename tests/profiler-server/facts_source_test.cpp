// SPDX-License-Identifier: Apache-2.0
#include <coroscope/profiler_server/facts_source.hpp>

#include "support/catch.hpp"

TEST_CASE("a source that overrides nothing has no facts", "[server]") {
    coroscope::profiler_server::facts_source source;
    CHECK(source.time_stats().empty());
    CHECK(source.tasks(10) == coroscope::report::task_list{});
    CHECK(source.findings().empty());
    CHECK(source.slow_steps().empty());
    CHECK(source.loop_stats().empty());
}
