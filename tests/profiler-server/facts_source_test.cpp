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
    CHECK(source.memory_stats(coroscope::report::memory_key::lineno, {}).empty());
}

TEST_CASE("a source that overrides nothing has no profiles, and says what to do", "[server]") {
    using Catch::Matchers::Contains;
    using coroscope::profiler_server::no_facts_error;
    coroscope::profiler_server::facts_source source;
    CHECK_THROWS_WITH(source.cpu_profile({}, {}),
                      Contains("no cpu_profiler") && Contains("facts_about"));
    CHECK_THROWS_WITH(source.wait_profile(), Contains("no wait_profiler"));
    CHECK_THROWS_WITH(source.memory_profile(), Contains("no memory_profiler"));
    try {
        (void)source.wait_profile();
    } catch (const no_facts_error& error) {
        CHECK(error.why() == no_facts_error::reason::unavailable);
    }
}
