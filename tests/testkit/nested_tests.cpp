// SPDX-License-Identifier: Apache-2.0
// Test cases that fail on purpose; catch_test.cpp and test_run_test.cpp run them in processes of
// their own. Hidden, so that nobody else does.

#include <coroscope/testkit/catch.hpp>
#include <coroscope/testkit/mock.hpp>

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/sleep.hpp>

#include <atomic>
#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <string>
#include <thread>

#include <sys/wait.h>
#include <unistd.h>

using namespace std::chrono_literals;
using coroscope::coro;
using coroscope::testkit::this_test;

namespace {

coro<int> value(int n) {
    co_await coroscope::sleep_for(1s);
    co_return n;
}

coro<int> throws() {
    co_await coroscope::sleep_for(1s);
    throw std::runtime_error("boom");
}

coro<> failing_child() {
    CO_REQUIRE(co_await value(1) == 2);
}

coro<> sleeper() {
    co_await coroscope::sleep_for(1h);
}

[[gnu::noinline]] void spin_here(const std::atomic<bool>& end) {
    while (!end.load()) {}
}

}  // namespace

CO_TEST_CASE("an assertion of a mock fails", "[.]") {
    coroscope::testkit::coroutine_mock<int(std::string)> fetch("fetch");
    fetch.returns(3);
    CO_REQUIRE(co_await fetch("a") == 3);
    fetch.assert_awaited_once_with("b");
}

CO_TEST_CASE("a call of a mock is dropped", "[.]") {
    coroscope::testkit::coroutine_mock<int(std::string)> fetch("fetch");
    fetch.returns(3);
    static_cast<void>(fetch("a"));
    CO_REQUIRE(co_await fetch("b") == 3);
}

CO_TEST_CASE("require fails", "[.]") {
    CO_REQUIRE(co_await value(3) == 3);
    CO_REQUIRE(co_await value(3) == 4);
    std::cout << "after the failure\n";
}

CO_TEST_CASE("check fails", "[.]") {
    CO_CHECK(co_await value(3) == 4);
    std::cout << "after the failure\n";
    CO_CHECK(co_await value(3) == 3);
}

CO_TEST_CASE("child fails and is awaited", "[.]") {
    auto child = this_test().loop().create_task(failing_child());
    co_await child;
    std::cout << "not reached\n";
}

CO_TEST_CASE("child fails and is dropped", "[.]") {
    this_test().loop().create_task(failing_child());
    co_await coroscope::sleep_for(1min);
}

CO_TEST_CASE("child fails in a gather", "[.]") {
    co_await coroscope::gather(failing_child(), sleeper());
}

CO_TEST_CASE("expression throws", "[.]") {
    CO_CHECK(co_await throws() == 1);
    CO_CHECK(co_await value(1) == 1);
}

CO_TEST_CASE("throws nothing", "[.]") {
    CO_REQUIRE_THROWS_AS(co_await value(1), std::runtime_error);
}

CO_TEST_CASE("throws another type", "[.]") {
    CO_REQUIRE_THROWS_AS(co_await throws(), std::logic_error);
}

CO_TEST_CASE("explicit failure", "[.]") {
    const int got = co_await value(42);
    CO_FAIL("got " << got);
}

CO_TEST_CASE("never finishes", "[.]") {
    co_await this_test().loop().create_future<>();
}

CO_TEST_CASE("leaks a task", "[.]") {
    this_test().loop().create_task(sleeper(), "left");
    co_return;
}

CO_TEST_CASE("job fails", "[.]") {
    const int number = co_await value(1);
    const auto job = [number] {
        CO_REQUIRE(number == 2);
    };
    auto done = this_test().loop().run_in_executor(job);
    co_await done;
}

CO_TEST_CASE("job holds", "[.]") {
    const auto job = [] {
        CO_REQUIRE(1 + 1 == 2);
        CO_CHECK_FALSE(1 == 2);
        CO_CHECK_THROWS_AS(throw std::runtime_error("x"), std::exception);
    };
    auto done = this_test().loop().run_in_executor(job);
    co_await done;
}

CO_TEST_CASE("thread checks fail", "[.]") {
    std::thread other([] {
        const int number = 1;
        CO_CHECK(number == 2);
        CO_CHECK_THROWS_AS(static_cast<void>(number), std::exception);
    });
    other.join();
    co_return;
}

CO_TEST_CASE("cancelled while it asserts", "[.]") {
    const auto asserting = []() -> coro<> {
        CO_REQUIRE(co_await value(1) == 1);
    };
    auto task = this_test().loop().create_task(asserting());
    co_await coroscope::yield_now();
    task.cancel();
    co_await coroscope::sleep_for(10s);
    CO_CHECK(task.cancelled());
}

CO_TEST_CASE("spins for ever", "[.]") {
    std::cout << "unflushed output";
    const std::atomic<bool> never = false;
    this_test().loop().create_task(sleeper(), "bystander");
    co_await coroscope::sleep_for(1min);
    spin_here(never);
}

CO_TEST_CASE("waits for ever for a job", "[.]") {
    const std::atomic<bool> never = false;
    std::atomic<bool> has_begun = false;
    const auto job = [&] {
        has_begun = true;
        has_begun.notify_one();
        never.wait(false);
    };
    auto done = this_test().loop().run_in_executor(job);
    has_begun.wait(false);  // one that has not begun would be withdrawn
    co_await done;
}

namespace {

struct closing {
    bool is_closed = false;
    coro<> tear_down() {
        co_await coroscope::sleep_for(1s);
        CO_CHECK(is_closed);
    }
};

}  // namespace

CO_TEST_CASE_METHOD(closing, "tear_down asserts", "[.]") {
    CO_REQUIRE(co_await value(1) == 2);
}

CO_TEST_CASE("leaves the process", "[.]") {
    co_await coroscope::sleep_for(1s);
    std::exit(0);
}

CO_TEST_CASE("forks a child that leaves", "[.]") {
    const auto child = ::fork();
    if (child == 0) { std::quick_exit(0); }
    int status = -1;
    ::waitpid(child, &status, 0);
    CO_CHECK(status == 0);
    co_return;
}

CO_TEST_CASE("fails with context", "[.]") {
    coroscope::testkit::background(sleeper(), "bystander");
    co_await coroscope::sleep_for(30min);
    CO_CHECK(1 == 2);
    CO_CHECK(co_await throws() == 3);
    CO_CHECK_THROWS_AS(co_await value(3), std::runtime_error);
    CO_CHECK(1 == 1);
    CO_FAIL("in the end");
}

TEST_CASE("fails without context", "[.]") {
    CO_CHECK(1 == 2);
}
