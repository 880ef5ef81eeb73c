// SPDX-License-Identifier: Apache-2.0
#include <coroscope/testkit/catch_explore.hpp>

#include "support/catch.hpp"
#include "testkit/nested_catch.hpp"

#include <coroscope/instrumentation/races.hpp>
#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/mutex.hpp>
#include <coroscope/runtime/sleep.hpp>

#include <cstdlib>
#include <stdexcept>
#include <string>

using coroscope::coro;
using coroscope::testkit::explore;
using coroscope::testkit::explore_options;
using coroscope::testkit::failure_kind;
using coroscope::testkit::read_explore_settings;
using coroscope::testkit::replay;

namespace {

coro<> take(int& seats, int late) {
    for (int i = 0; i < late; ++i) {
        co_await coroscope::yield_now();
    }
    const int before = seats;
    co_await coroscope::yield_now();
    seats = before - 1;
}

/// Right in the default order.
coro<> take_two(int& seats) {
    co_await coroscope::gather(take(seats, 0), take(seats, 2));
}

coro<> lock_both(coroscope::mutex& first, coroscope::mutex& second) {
    const auto outer = co_await first.scoped();
    co_await coroscope::yield_now();
    const auto inner = co_await second.scoped();
}

coro<> use_alone(coroscope::instrumentation::single_task<int>& value) {
    ++value.get();
    co_return;
}

coro<> break_a_contract() {
    coroscope::instrumentation::single_task<int> owned(0, "owned");
    co_await coroscope::gather(use_alone(owned), use_alone(owned));
}

}  // namespace

CO_EXPLORE_TEST_CASE("an explored test that holds in every order", "[explore][catch]") {
    int steps = 0;
    const auto add = [](int& sum) -> coro<> {
        co_await coroscope::yield_now();
        ++sum;
    };
    co_await coroscope::gather(add(steps), add(steps));
    CO_REQUIRE(steps == 2);
}

CO_EXPLORE_TEST_CASE("explored: a check fails in one order", "[.nested]") {
    int seats = 2;
    co_await take_two(seats);
    CO_CHECK(seats == 0);
}

CO_EXPLORE_TEST_CASE("explored: a requirement fails in one order", "[.nested]") {
    int seats = 2;
    co_await take_two(seats);
    CO_REQUIRE(seats == 0);
}

CO_EXPLORE_TEST_CASE("explored: locks in both orders", "[.nested]") {
    coroscope::mutex a;
    coroscope::mutex b;
    co_await coroscope::gather(lock_both(a, b), lock_both(b, a));
}

CO_EXPLORE_TEST_CASE("explored: fails for a reason that is no order", "[.nested]") {
    static int executions = 0;
    ++executions;
    co_await coroscope::yield_now();
    CO_CHECK(executions != 3);
}

CO_EXPLORE_TEST_CASE("explored: leaves the process", "[.nested]") {
    co_await coroscope::yield_now();
    std::exit(0);
}

TEST_CASE("an exploration that fails cannot pass because its replay does not", "[explore][catch]") {
    const auto run = nested::run("explored: fails for a reason that is no order");
    INFO(run.output);
    CHECK(run.status != 0);
    CHECK(run.has("failed when explored, but not when replayed"));
    CHECK(run.has("it did not fail when it was run once more"));
}

TEST_CASE("explored: a contract is broken", "[.nested]") {
    explore_options options;
    options.find_races = true;
    coroscope::testkit::run_catch_exploration([] { return break_a_contract(); }, options);
}

TEST_CASE("what a race detector alone has seen is reported by its replay", "[explore][catch]") {
    const std::string name = "explored: a contract is broken";
    const auto run = nested::run(name);
    INFO(run.output);
    CHECK(run.status != 0);
    CHECK(run.has("single-task"));
    CHECK_FALSE(run.has("but not when replayed"));
    CHECK(nested::run(name, "COROSCOPE_TEST_REPLAY=co1:1:").status != 0);
}

TEST_CASE("a process that is left inside of an exploration fails", "[explore][catch]") {
    const auto run = nested::run("explored: leaves the process");
    INFO(run.output);
    CHECK(run.status != 0);
    CHECK(run.has("the exploration of 'explored: leaves the process'"));
}

TEST_CASE("an assertion that fails in an execution is reported once, from the shrunk replay",
          "[explore][catch]") {
    for (const std::string what : {"check", "requirement"}) {
        const auto outcome = nested::run("explored: a " + what + " fails in one order");
        CAPTURE(outcome.output);
        CHECK(outcome.status != 0);
        CHECK(outcome.has("( seats == 0 ) with expansion: 1 == 0"));
        CHECK(outcome.has("assertions: 1 | 1 failed"));
        CHECK(outcome.has("shrunk to: co1:"));
        CHECK(outcome.has("* marks what is not first in, first out"));
        CHECK(outcome.has("COROSCOPE_TEST_REPLAY=co1:"));
    }
}

TEST_CASE("what is no assertion is reported with the interleaving, too", "[explore][catch]") {
    const auto outcome = nested::run("explored: locks in both orders");
    CAPTURE(outcome.output);
    CHECK(outcome.status != 0);
    CHECK(outcome.has("deadlock"));
    CHECK(outcome.has("where it still waits"));
    CHECK(outcome.has("assertions: 1 | 1 failed"));
}

CO_EXPLORE_TEST_CASE("explored: no assertion and nothing to find", "[.nested]") {
    co_await coroscope::yield_now();
}

TEST_CASE("what was explored without a failure counts as an assertion", "[explore][catch]") {
    const auto outcome = nested::run("explored: no assertion and nothing to find");
    CAPTURE(outcome.output);
    CHECK(outcome.status == 0);
    CHECK(outcome.has("All tests passed (1 assertion in 1 test case)"));
}

TEST_CASE("the environment says what is replayed, and how much is explored", "[explore][catch]") {
    const std::string name = "explored: a check fails in one order";
    const auto right = nested::run(name, "COROSCOPE_TEST_REPLAY=co1:1:");
    CAPTURE(right.output);
    CHECK(right.status == 0);
    const auto wrong = nested::run(name, "COROSCOPE_TEST_REPLAY=co1:1:0.0@1-0.1@2");
    CAPTURE(wrong.output);
    CHECK(wrong.status != 0);
    CHECK(wrong.has("with expansion: 1 == 0"));
    const auto few = nested::run(name, "COROSCOPE_TEST_SCHEDULES=1");
    CHECK(few.status == 0);
    CHECK(nested::run(name, "COROSCOPE_TEST_SCHEDULES=none").status != 0);
}

TEST_CASE("settings of the environment go before options, and must make sense",
          "[explore][catch]") {
    explore_options options;
    options.max_executions = 7;
    const auto unset = read_explore_settings(options);
    CHECK(unset.options.max_executions == 7);
    CHECK(unset.replay.empty());
    ::setenv("COROSCOPE_TEST_SCHEDULES", "12", 1);
    ::setenv("COROSCOPE_TEST_SHARD", "2/3", 1);
    const auto set = read_explore_settings(options);
    CHECK(set.options.max_executions == 12);
    CHECK(set.options.shard.index == 2);
    CHECK(set.options.shard.count == 3);
    for (const char* bad : {"0", "-1", "12x"}) {
        ::setenv("COROSCOPE_TEST_SCHEDULES", bad, 1);
        CHECK_THROWS_AS(read_explore_settings(options), std::invalid_argument);
    }
    ::unsetenv("COROSCOPE_TEST_SCHEDULES");
    ::setenv("COROSCOPE_TEST_SHARD", "4/3", 1);
    CHECK_THROWS_AS(read_explore_settings(options), std::invalid_argument);
    ::unsetenv("COROSCOPE_TEST_SHARD");
}

TEST_CASE("assertions in explorations and replays are failures of their result",
          "[explore][catch]") {
    const auto body = []() -> coro<> {
        int seats = 2;
        co_await take_two(seats);
        CO_CHECK(seats == 0);
        CO_REQUIRE_FALSE(seats == 1);
    };
    const auto found = explore(body);
    REQUIRE_FALSE(found.ok());
    const auto again = replay(body, found.failure->shrunk);
    REQUIRE(again.failures.size() == 2);
    CHECK(again.failures[0].kind == failure_kind::assertion);
    CHECK(again.failures[0].message.find("CO_CHECK( seats == 0 )") != std::string::npos);
    CHECK(again.failures[0].message.find("with expansion: 1 == 0") != std::string::npos);
    CHECK(again.failures[1].message.find("CO_REQUIRE_FALSE( seats == 1 )") != std::string::npos);
}
