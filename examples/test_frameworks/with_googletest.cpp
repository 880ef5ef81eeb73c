// SPDX-License-Identifier: Apache-2.0
// Coroutine tests with GoogleTest.
#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/event.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/testkit/fixture.hpp>
#include <coroscope/testkit/test_run.hpp>

#include <gtest/gtest.h>

#include <optional>

using namespace std::chrono_literals;
using coroscope::coro;
using coroscope::testkit::run_test;
using coroscope::testkit::this_test;
using coroscope::testkit::with_fixture;

TEST(Sleep, TakesNoRealTime) {
    const auto result = run_test([]() -> coro<> {
        co_await coroscope::sleep_for(24h);
        EXPECT_EQ(this_test().clock().elapsed(), 24h);
    });
    ASSERT_TRUE(result.ok()) << result;
}

namespace {

/// What is set up and torn down on the test's loop.
struct with_door {
    coro<> set_up() {
        opening = this_test().loop().create_task(open_after(1min));
        co_return;
    }
    coro<> tear_down() { co_await *opening; }
    coro<> open_after(coroscope::duration delay) {
        co_await coroscope::sleep_for(delay);
        door.set();
    }
    coroscope::event door;
    std::optional<coroscope::task<>> opening;
};

coro<> wait_at(coroscope::event& door, coroscope::duration patience) {
    co_await coroscope::wait_for(door.wait(), patience);
}

}  // namespace

TEST(Door, OpensAfterAMinute) {
    const auto result = run_test(with_fixture<with_door>([](with_door& f) -> coro<> {
        bool was_too_early = false;
        try {
            co_await wait_at(f.door, 59s);
        } catch (const coroscope::timeout_error&) { was_too_early = true; }
        EXPECT_TRUE(was_too_early);
        co_await wait_at(f.door, 2s);
        EXPECT_EQ(this_test().clock().elapsed(), 1min);
    }));
    ASSERT_TRUE(result.ok()) << result;
}

TEST(Door, ThatNobodyOpensIsADeadlock) {
    const auto result = run_test([]() -> coro<> {
        coroscope::event door;
        co_await door.wait();
    });
    ASSERT_EQ(result.failures.size(), 1U) << result;
    EXPECT_EQ(result.failures[0].kind, coroscope::testkit::failure_kind::deadlock);
}
