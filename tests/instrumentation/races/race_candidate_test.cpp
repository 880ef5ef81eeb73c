// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/races/race_candidate.hpp>

#include <coroscope/instrumentation/races/shared.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "instrumentation/races/raced_loop.hpp"
#include "support/catch.hpp"

using namespace coroscope;
using namespace coroscope::instrumentation;

TEST_CASE("a candidate says whom to hold, and until when") {
    raced_loop v;
    shared<int> x(0, "x");
    auto add = [](shared<int>& n) -> coro<> {
        co_await yield_now();
        const auto before = n.get();
        co_await yield_now();
        n.set(before + 1);
    };
    auto set = [](shared<int>& n) -> coro<> {
        n.set(5);
        co_return;
    };
    v.start(set(x), "writer");
    v.start(add(x), "adder");
    v.run();
    const auto candidates = v.races.candidates();
    REQUIRE(candidates.size() == 1);
    CHECK(candidates[0].what.rule == "stale-write");
    const schedule_policy::agent writer{v.tasks[0].id(), true};
    const schedule_policy::agent adder{v.tasks[1].id(), true};
    // The writer waits until the adder has read, which it does after its first await; the adder
    // does not go on from its second before the writer has begun.
    CHECK(candidates[0].holds
          == std::vector<race_hold>{{writer, 0, adder, 1}, {adder, 2, writer, 0}});
}
