// SPDX-License-Identifier: Apache-2.0
#include "races/freed_memory.hpp"

#include <coroscope/testkit/explore.hpp>

#include "support/catch.hpp"

using namespace coroscope;
using namespace coroscope::testkit;

#if COROSCOPE_RACES_ARE_SEEN
namespace {

exploration explore_races(coro<> (*body)()) {
    explore_options options;
    options.find_races = true;
    options.seed = 1;
    options.max_executions = 60;
    return explore(body, options);
}

}  // namespace

TEST_CASE("a directed execution uses what is freed late, and is replayed") {
    for (auto* const body : {&number_that_is_freed_late, &vector_that_grows_late}) {
        const auto found = explore_races(body);
        INFO(to_string(found));
        REQUIRE_FALSE(found.ok());
        CHECK(found.executions <= 4);
        REQUIRE_FALSE(found.failure->findings.empty());
        CHECK(found.failure->findings[0].rule == "use-after-free");
        explore_options options;
        options.find_races = true;
        CHECK_FALSE(replay(body, found.failure->shrunk, options).ok());
    }
}

TEST_CASE("what its user owns may be freed late") {
    const auto found = explore_races(&number_that_is_owned);
    INFO(to_string(found));
    CHECK(found.ok());
    CHECK(found.findings.empty());
}
#endif
