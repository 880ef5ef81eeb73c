// SPDX-License-Identifier: Apache-2.0
// What the umbrella header has, together.
#include <coroscope/instrumentation/races.hpp>

#include <coroscope/runtime/sleep.hpp>

#include "instrumentation/races/raced_loop.hpp"
#include "support/catch.hpp"

using namespace coroscope;
using namespace coroscope::instrumentation;

namespace {

coro<> add_stale(shared<int>& x) {
    const auto before = x.get();
    co_await yield_now();
    x.set(before + 1);
}

coro<> take(single_task<int>& value) {
    ++value.get();
    co_return;
}

}  // namespace

TEST_CASE("a contract that was broken leaves nothing to explore") {
    raced_loop v;
    shared<int> balance(0, "balance");
    v.start(add_stale(balance), "one");
    v.start(add_stale(balance), "two");
    single_task<int> owned(0, "owned");
    v.start(take(owned), "three");
    v.start(take(owned), "four");
    v.run();
    CHECK(v.rules().size() == 2);
    const auto candidates = v.races.candidates();
    CHECK(candidates.size() == 1);
    for (const auto& each : candidates) {
        CHECK(each.what.verdict == report::verdict::predicted);
        CHECK_FALSE(each.holds.empty());
    }
}
