// SPDX-License-Identifier: Apache-2.0
#include <coroscope/testkit/explore.hpp>
#include <coroscope/testkit/fault.hpp>

#include "support/catch.hpp"
#include "testkit/interleaved_tasks.hpp"

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/sleep.hpp>

#include <algorithm>
#include <set>
#include <stdexcept>
#include <string>

// Keep the numbers of the lines of `buy` and `two_customers`: a golden text has them.

using namespace std::chrono_literals;
using coroscope::coro;
using coroscope::testkit::explore;
using coroscope::testkit::explore_options;
using coroscope::testkit::replay;
using coroscope::testkit::strategy;

namespace {

coro<> buy(int& tickets, int queue) {
    for (int i = 0; i < queue; ++i) {
        co_await coroscope::yield_now();
    }
    if (tickets == 0) { co_return; }
    co_await coroscope::yield_now();
    --tickets;
}

/// Right in the default order, since the second comes three steps later.
coro<> two_customers() {
    int tickets = 1;
    auto& l = coroscope::get_running_loop();
    auto first = l.create_task(buy(tickets, 0), "first");
    auto second = l.create_task(buy(tickets, 3));
    co_await coroscope::gather(first, second);
    if (tickets < 0) { throw std::runtime_error("sold " + std::to_string(-tickets) + " too many"); }
}

explore_options with(strategy s) {
    explore_options options;
    options.strategy = s;
    options.seed = 7;
    return options;
}

std::size_t lines(const std::string& text) {
    return static_cast<std::size_t>(std::ranges::count(text, '\n'));
}

/// The table of a message.
std::string table_of(const std::string& message) {
    const auto begin = message.find("what happens");
    return message.substr(begin, message.find("\nto replay") - begin);
}

}  // namespace

TEST_CASE("a failure is shrunk to what it needs, and fails the same when replayed", "[explore]") {
    for (const auto s : {strategy::random_walk, strategy::uniform_walk, strategy::pct_3,
                         strategy::partial_order_sampling, strategy::portfolio}) {
        CAPTURE(to_string(s));
        const auto found = explore(two_customers, with(s));
        REQUIRE_FALSE(found.ok());
        const auto& failure = *found.failure;
        CAPTURE(failure.schedule, failure.shrunk);
        CHECK(failure.shrunk_size == 1);  // the first buys late, by three steps: one hold
        CHECK(failure.shrinking_executions <= 200);
        const auto again = replay(two_customers, failure.shrunk);
        REQUIRE(again.failures.size() == 1);
        CHECK(again.failures[0].message == failure.shrunk_result.failures[0].message);
        CHECK(again.event_log_hash == failure.shrunk_result.event_log_hash);
    }
}

TEST_CASE("the search for a simpler schedule can be bounded, and left out", "[explore]") {
    auto options = with(strategy::random_walk);
    options.max_shrink_executions = 0;
    const auto as_found = explore(two_customers, options);
    REQUIRE_FALSE(as_found.ok());
    CHECK(as_found.failure->shrunk == as_found.failure->schedule);
    CHECK(as_found.failure->shrinking_executions == 0);
    options.max_shrink_executions = 3;
    const auto a_little = explore(two_customers, options);
    REQUIRE_FALSE(a_little.ok());
    CHECK(a_little.failure->shrinking_executions <= 3);
    CHECK_FALSE(replay(two_customers, a_little.failure->shrunk).ok());
}

namespace {

/// Fails in one way where its fault point fails, in another where the second task begins as well,
/// and in a third where only this does.
coro<> fail_in_three_ways() {
    const bool is_declined = coroscope::testkit::fault_point("declined");
    std::string order;
    co_await tasks_of_steps(2, 3, &order);
    const bool is_second_first = order.front() == 'b';
    if (is_declined && is_second_first) { throw std::runtime_error("both"); }
    if (is_declined) { throw std::runtime_error("declined"); }
    if (is_second_first) { throw std::runtime_error("another order"); }
}

coro<> fail_at_once() {
    throw std::runtime_error("at once");
    co_return;
}

}  // namespace

TEST_CASE("what fails in another way is not taken for the failure", "[explore]") {
    std::set<std::string> ways;
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        auto options = with(strategy::random_walk);
        options.seed = seed;
        const auto found = explore(fail_in_three_ways, options);
        REQUIRE_FALSE(found.ok());
        const auto& failure = *found.failure;
        CAPTURE(failure.schedule, failure.shrunk);
        const auto& message = failure.result.failures.at(0).message;
        ways.insert(message);
        CHECK(failure.shrunk_result.failures.at(0).message == message);
        const bool needs_both = message.find("both") != std::string::npos;
        CHECK(failure.shrunk_size == (needs_both ? 2 : 1));
    }
    CHECK(ways.size() == 3);
}

TEST_CASE("what fails in every order is shrunk to the default order", "[explore]") {
    const auto found = explore(fail_at_once, with(strategy::random_walk));
    REQUIRE_FALSE(found.ok());
    CHECK(found.failure->shrunk == "co1:7:");
    CHECK(found.failure->shrunk_size == 0);
}

TEST_CASE("the shrunk interleaving is told step by step", "[explore][golden]") {
    auto options = with(strategy::depth_first);
    const auto found = explore(two_customers, options);
    REQUIRE_FALSE(found.ok());
    CAPTURE(found.failure->message);
    CHECK(table_of(found.failure->message)
          == R"(what happens (* marks what is not first in, first out):
  step  time  task         what happened
     0   0 s  0            begins, runs to two_customers, shrink_test.cpp:42; creates 0.0 (first), 0.1
     1   0 s  0.0 (first)  begins, runs to buy, shrink_test.cpp:32
     2   0 s  0.1          begins, runs to buy, shrink_test.cpp:29
   * 3   0 s  0.1          from buy, shrink_test.cpp:29 to line 29
   * 4   0 s  0.1          from buy, shrink_test.cpp:29 to line 29
   * 5   0 s  0.1          from buy, shrink_test.cpp:29 to line 32
     6   0 s  0.0 (first)  from buy, shrink_test.cpp:32 to its end
     7   0 s  0.1          from buy, shrink_test.cpp:32 to its end
     8   0 s  0            from two_customers, shrink_test.cpp:42 to its end, with an exception)");
    CHECK(found.failure->message.find("\nshrunk to: co1:7:0.0@1-0.1@3\n") != std::string::npos);
}

TEST_CASE("of a long interleaving only what matters is told", "[explore]") {
    const auto body = []() -> coro<> {
        std::string order;
        co_await tasks_of_steps(3, 200, &order);
        if (order.substr(0, 3) != "abc") { throw std::runtime_error("another order"); }
    };
    const auto found = explore(body, with(strategy::random_walk));
    REQUIRE_FALSE(found.ok());
    CHECK(lines(table_of(found.failure->message)) <= 20);
    CHECK(found.failure->message.find("steps as by default") != std::string::npos);
    auto options = with(strategy::random_walk);
    options.max_shrink_executions = 0;
    const auto not_shrunk = explore(body, options);
    REQUIRE_FALSE(not_shrunk.ok());
    CHECK(lines(table_of(not_shrunk.failure->message)) <= 130);
}
