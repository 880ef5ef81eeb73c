// SPDX-License-Identifier: Apache-2.0
#include <coroscope/testkit/fault.hpp>

#include "support/catch.hpp"

#include <coroscope/testkit/explore.hpp>

#include <coroscope/runtime/sleep.hpp>

#include <stdexcept>

using coroscope::coro;
using coroscope::testkit::explore;
using coroscope::testkit::explore_options;
using coroscope::testkit::fault_point;
using coroscope::testkit::replay;
using coroscope::testkit::run_test;
using coroscope::testkit::strategy;

namespace {

/// Goes wrong if the second write fails after the first has not.
coro<> write_twice() {
    const bool first = fault_point("first write");
    co_await coroscope::yield_now();
    const bool second = fault_point("second write");
    if (second && !first) { throw std::runtime_error("half of it was written"); }
}

coro<> four_fault_points() {
    for (int i = 0; i < 2; ++i) {
        static_cast<void>(fault_point("a"));
        static_cast<void>(fault_point("b"));
        co_await coroscope::yield_now();
    }
}

}  // namespace

TEST_CASE("a fault point fails in some executions, and its outcome is replayed", "[fault]") {
    for (const auto s : {strategy::portfolio, strategy::random_walk, strategy::depth_first}) {
        explore_options options;
        options.strategy = s;
        options.seed = 1;
        const auto found = explore(write_twice, options);
        REQUIRE_FALSE(found.ok());
        CHECK(found.failure->schedule == "co1:1:1f0");
        CHECK_FALSE(replay(write_twice, found.failure->schedule).ok());
    }
}

TEST_CASE("depth first tries all outcomes of all fault points", "[fault]") {
    explore_options options;
    options.strategy = strategy::depth_first;
    const auto tried = explore(four_fault_points, options);
    CHECK(tried.executions == 16);
    CHECK(tried.exhausted);
}

TEST_CASE("outside of an exploration no fault point fails", "[fault]") {
    CHECK_FALSE(fault_point("none"));
    CHECK(run_test(write_twice).ok());
}
