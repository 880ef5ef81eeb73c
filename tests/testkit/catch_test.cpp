// SPDX-License-Identifier: Apache-2.0
#include <coroscope/testkit/catch.hpp>

#include "testkit/nested_catch.hpp"

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/run.hpp>
#include <coroscope/runtime/sleep.hpp>

#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

using namespace std::chrono_literals;
using coroscope::coro;
using coroscope::testkit::this_test;

namespace {

coro<int> immediate(int& count, int value) {
    ++count;
    co_return value;
}

coro<int> suspending(int& count, int value) {
    ++count;
    co_await coroscope::sleep_for(1s);
    co_return value;
}

coro<std::unique_ptr<int>> owned(int& count, int value) {
    ++count;
    co_await coroscope::yield_now();
    co_return std::make_unique<int>(value);
}

coro<std::string> text(int& count, std::string value) {
    ++count;
    co_await coroscope::sleep_for(1ms);
    co_return value + value;
}

coro<int> failing(int& count) {
    ++count;
    co_await coroscope::sleep_for(1ms);
    throw std::runtime_error("boom");
}

coro<> failing_without_result(int& count) {
    static_cast<void>(co_await failing(count));
}

}  // namespace

CO_TEST_CASE("an assertion evaluates its co_await exactly once", "[catch]") {
    int count = 0;
    CO_REQUIRE(co_await immediate(count, 3) == 3);
    CO_CHECK(count == 1);
    CO_REQUIRE(co_await suspending(count, 4) == 4);
    CO_CHECK(count == 2);
    CO_CHECK(co_await suspending(count, 5) > 4);
    CO_CHECK(count == 3);
    CO_REQUIRE_FALSE(co_await suspending(count, 0));
    CO_CHECK(count == 4);
    CO_CHECK_FALSE(co_await immediate(count, 0) != 0);
    CO_CHECK(count == 5);
    CO_REQUIRE(co_await suspending(count, 1));
    CO_CHECK(count == 6);
    CO_CHECK(this_test().clock().elapsed() == 4s);
}

CO_TEST_CASE("both sides of an assertion may await", "[catch]") {
    int count = 0;
    CO_REQUIRE(co_await suspending(count, 7) == co_await suspending(count, 7));
    CO_CHECK(count == 2);
    CO_CHECK((co_await immediate(count, 1) == 1 && co_await suspending(count, 2) == 2));
    CO_CHECK(count == 4);
    CO_CHECK(co_await text(count, "ab") == std::string("abab"));
    CO_CHECK(co_await text(count, "cd") == co_await text(count, "cd"));
    CO_CHECK(count == 7);
}

CO_TEST_CASE("an assertion may await what can only be moved", "[catch]") {
    int count = 0;
    CO_REQUIRE(*co_await owned(count, 9) == 9);
    CO_REQUIRE(co_await owned(count, 1) != nullptr);
    const auto kept = co_await owned(count, 2);
    CO_REQUIRE(kept != nullptr);
    CO_REQUIRE(*kept == 2);
    CO_CHECK(count == 3);
}

CO_TEST_CASE("a throwing expression is evaluated once", "[catch]") {
    int count = 0;
    CO_REQUIRE_THROWS_AS(co_await failing(count), std::runtime_error);
    CO_CHECK(count == 1);
    CO_CHECK_THROWS_AS(co_await failing_without_result(count), std::exception);
    CO_CHECK(count == 2);
    CO_CHECK_THROWS_AS(throw std::logic_error("here"), std::logic_error);
}

CO_TEST_CASE("assertions may stand in loops, branches and try blocks", "[catch]") {
    int count = 0;
    for (int i = 0; i < 3; ++i) {
        CO_CHECK(co_await suspending(count, i) == i);
        if (i == 1) {
            CO_REQUIRE(co_await immediate(count, i) == 1);
        } else {
            CO_CHECK(co_await text(count, "x") == "xx");
        }
    }
    try {
        CO_CHECK(co_await suspending(count, 1) == 1);
        static_cast<void>(co_await failing(count));
        CO_FAIL("an exception was expected");
    } catch (const std::runtime_error& e) { CO_CHECK(e.what() == std::string("boom")); }
    CO_CHECK(count == 8);
}

namespace {

struct with_clock {
    int made = ++constructions;
    coroscope::time_point at = this_test().clock().now();
    static inline int constructions = 0;
    ~with_clock() { static_cast<void>(coroscope::get_running_loop()); }
};

}  // namespace

CO_TEST_CASE_METHOD(with_clock, "a fixture lives in the test's task", "[catch]") {
    CO_CHECK(made == 1);
    CO_CHECK(at == coroscope::time_point{});
    co_await coroscope::sleep_for(5s);
    CO_CHECK(this_test().clock().now() - at == 5s);
}

namespace {

struct section_log {
    std::vector<std::string> entered;
    std::vector<std::uint64_t> seeds;
    std::vector<std::uint32_t> loops;
};

section_log& sections() {
    static section_log log;
    return log;
}

}  // namespace

CO_TEST_CASE("each way through the sections has a fresh loop, clock and seed", "[catch]") {
    CO_REQUIRE(this_test().clock().elapsed() == 0s);
    sections().seeds.push_back(this_test().seed());
    sections().loops.push_back(this_test().loop().id());
    co_await coroscope::sleep_for(1h);
    SECTION("first") {
        co_await coroscope::sleep_for(1s);
        sections().entered.emplace_back("first");
        SECTION("inner") {
            co_await coroscope::sleep_for(1s);
            sections().entered.emplace_back("inner");
            CO_CHECK(this_test().clock().elapsed() == 1h + 2s);
        }
    }
    SECTION("second") {
        sections().entered.emplace_back("second");
        co_await coroscope::sleep_for(2s);
        CO_CHECK(this_test().clock().elapsed() == 1h + 2s);
    }
    if (sections().entered.size() == 3) {
        CO_CHECK(sections().entered == std::vector<std::string>{"first", "inner", "second"});
        CO_REQUIRE(sections().seeds.size() == 2);
        CO_CHECK(sections().seeds[0] != sections().seeds[1]);
        CO_CHECK(sections().loops[0] != sections().loops[1]);
    }
}

CO_TEST_CASE("a generator runs the body again for each value", "[catch]") {
    const int hours = GENERATE(1, 2, 3);
    co_await coroscope::sleep_for(std::chrono::hours(hours));
    CO_CHECK(this_test().clock().elapsed() == std::chrono::hours(hours));
}

TEST_CASE("assertions work in plain functions", "[catch]") {
    CO_REQUIRE(1 + 1 == 2);
    CO_CHECK_THROWS_AS(throw std::runtime_error("x"), std::runtime_error);
    CO_CHECK_FALSE(false);
}

// What fails is run by the child program, so that its failures do not count here.

TEST_CASE("a failed CO_REQUIRE ends the test", "[catch]") {
    const auto run = nested::run("require fails");
    CHECK(run.status != 0);
    CHECK(run.has("CO_REQUIRE( co_await value(3) == 4 )"));
    CHECK(run.has("3 == 4"));
    CHECK(run.has("1 assertion - failed") == false);
    CHECK(run.has("test cases: 1 | 1 failed"));
    CHECK(run.has("assertions: 2 | 1 passed | 1 failed"));
    CHECK_FALSE(run.has("after the failure"));
}

TEST_CASE("a failed CO_CHECK lets the test go on", "[catch]") {
    const auto run = nested::run("check fails");
    CHECK(run.status != 0);
    CHECK(run.has("CO_CHECK( co_await value(3) == 4 )"));
    CHECK(run.has("after the failure"));
    CHECK(run.has("assertions: 2 | 1 passed | 1 failed"));
}

TEST_CASE("a failed assertion in a child task fails the test exactly once", "[catch]") {
    for (const char* test :
         {"child fails and is awaited", "child fails and is dropped", "child fails in a gather"}) {
        const auto run = nested::run(test);
        INFO(test << "\n" << run.output);
        CHECK(run.status != 0);
        CHECK(run.has("assertions: 1 | 1 failed"));
    }
}

TEST_CASE("an unexpected exception fails the assertion it left", "[catch]") {
    const auto run = nested::run("expression throws");
    CHECK(run.status != 0);
    CHECK((run.has("due to unexpected exception with messages:") && run.has("\n  boom")));
    CHECK(run.has("CO_CHECK( co_await throws() == 1 )"));
    CHECK(run.has("assertions: 2 | 1 passed | 1 failed"));
}

TEST_CASE("CO_REQUIRE_THROWS_AS fails for nothing and for another type", "[catch]") {
    const auto nothing = nested::run("throws nothing");
    CHECK(nothing.status != 0);
    CHECK(nothing.has("because no exception was thrown where one was expected"));
    const auto other = nested::run("throws another type");
    CHECK(other.status != 0);
    CHECK((other.has("due to unexpected exception with messages:") && other.has("\n  boom")));
}

TEST_CASE("CO_FAIL fails with its message", "[catch]") {
    const auto run = nested::run("explicit failure");
    CHECK(run.status != 0);
    CHECK((run.has("explicitly with messages:") && run.has("\n  got 42")));
}

TEST_CASE("a body that cannot finish is a failure", "[catch]") {
    const auto run = nested::run("never finishes");
    CHECK(run.status != 0);
    CHECK(run.has("deadlock: nothing can run"));
    CHECK(run.has("seed: "));
}

TEST_CASE("a leak fails the test at the place where the task was created", "[catch]") {
    const auto run = nested::run("leaks a task");
    CHECK(run.status != 0);
    CHECK(run.has("a task was still alive when the test had ended: task 2 (left)"));
}

TEST_CASE("assertions of other threads are collected and reported", "[catch][threads]") {
    const auto job = nested::run("job fails");
    INFO(job.output);
    CHECK(job.status != 0);
    CHECK(job.has("failed in another thread: "));
    CHECK(job.has("CO_REQUIRE( number == 2 )"));
    CHECK(job.has("with expansion: 1 == 2"));
    CHECK(job.has("assertions: 1 | 1 failed"));
    const auto thread = nested::run("thread checks fail");
    INFO(thread.output);
    CHECK(thread.has("CO_CHECK( number == 2 )"));
    CHECK(thread.has("CO_CHECK_THROWS_AS( throw number, std::exception )") == false);
    CHECK(thread.has("because no exception was thrown"));
    CHECK(thread.has("assertions: 2 | 2 failed"));
}

TEST_CASE("assertions of other threads that hold say nothing", "[catch][threads]") {
    const auto run = nested::run("job holds");
    INFO(run.output);
    CHECK(run.status == 0);
}

TEST_CASE("a cancelled task is no failed assertion", "[catch]") {
    const auto run = nested::run("cancelled while it asserts");
    INFO(run.output);
    CHECK(run.status == 0);
}

TEST_CASE("a test case with options", "[catch]") {
    coroscope::testkit::test_options options;
    options.seed = 77;
    std::uint64_t seen = 0;
    const auto body = [&seen]() -> coro<> {
        const auto inner = [](std::uint64_t& out) -> coro<> {
            out = this_test().seed();
            co_return;
        };
        return inner(seen);
    };
    coroscope::testkit::run_catch_test(body, options);
    CHECK(seen == 77);
}

TEST_CASE("a process that is left inside of a test fails", "[catch]") {
    const auto run = nested::run("leaves the process", "COROSCOPE_TEST_SEED=1");
    INFO(run.output);
    CHECK(run.status != 0);
    CHECK(run.has("the process is left inside of the test 'leaves the process' ("));
    const auto forking = nested::run("forks a child that leaves");
    INFO(forking.output);
    CHECK(forking.status == 0);
}

TEST_CASE("failed assertions show the async context", "[catch]") {
    const auto run = nested::run("fails with context", "COROSCOPE_TEST_SEED=42");
    INFO(run.output);
    CHECK(run.status == 4);
    CHECK(run.count("virtual time: 1800 s seed: 42 in task 1 (fails with context) tasks:") == 1);
    CHECK(run.count("virtual time: 1801 s") == 1);
    CHECK(run.count("virtual time: 1802 s") == 2);
    CHECK(run.count("task 2 (bystander) sleeps until 3600 s") == 4);
    const auto replaying =
        nested::run("fails with context", "COROSCOPE_TEST_SEED=42 COROSCOPE_TEST_REPLAY=v1:xyz");
    CHECK(replaying.count("schedule: v1:xyz") == 4);
    const auto plain = nested::run("fails without context");
    CHECK(plain.status == 1);
    CHECK(plain.count("virtual time") == 0);
}
