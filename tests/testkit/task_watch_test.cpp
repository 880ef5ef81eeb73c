// SPDX-License-Identifier: Apache-2.0
#include <coroscope/testkit/task_watch.hpp>

#include <coroscope/testkit/test_run.hpp>

#include "support/catch.hpp"

#include <coroscope/runtime/sleep.hpp>

#include <stdexcept>
#include <string>

using namespace std::chrono_literals;
using coroscope::coro;
using coroscope::testkit::background;
using coroscope::testkit::run_test;
using coroscope::testkit::task_watch;
using coroscope::testkit::this_test;

namespace {

coro<> sleep_for_an_hour() {
    co_await coroscope::sleep_for(1h);
}

coro<> yield_some_times() {
    for (int i = 0; i < 5; ++i) {
        co_await coroscope::yield_now();
    }
}

}  // namespace

TEST_CASE("a task watch finds the tasks that a part of a test leaves behind", "[scheduling]") {
    const auto body = []() -> coro<> {
        auto before = this_test().loop().create_task(sleep_for_an_hour(), "from before");
        const task_watch watch;
        auto left = this_test().loop().create_task(sleep_for_an_hour(), "left");
        this_test().loop().create_task(yield_some_times(), "about to end");
        background(sleep_for_an_hour(), "background");
        const auto found = co_await watch.left();
        CHECK(found.size() == 1);
        CHECK(found.at(0).starts_with("task 3 (left) sleeps until 3600 s"));
        CHECK(this_test().clock().elapsed() == 0s);
        co_await left;
        const auto none = co_await watch.left();
        CHECK(none.empty());
        co_await before;
    };
    const auto result = run_test(body);
    INFO(to_string(result));
    CHECK(result.ok());
}

TEST_CASE("a task watch is for tests", "[scheduling]") {
    CHECK_THROWS_AS(task_watch(), std::logic_error);
}
