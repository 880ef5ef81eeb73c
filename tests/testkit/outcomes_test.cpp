// SPDX-License-Identifier: Apache-2.0
#include <coroscope/testkit/explore.hpp>

#include "support/catch.hpp"

#include <coroscope/instrumentation/effects.hpp>
#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/event.hpp>
#include <coroscope/runtime/queue.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/testkit/fault.hpp>

#include <atomic>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using coroscope::coro;
using coroscope::gather;
using coroscope::sleep_for;
using coroscope::yield_now;
using coroscope::instrumentation::effect;
using coroscope::instrumentation::op_scope;
using coroscope::testkit::exploration;
using coroscope::testkit::explore;
using coroscope::testkit::explore_options;
using coroscope::testkit::failure_kind;
using coroscope::testkit::fault_point;
using coroscope::testkit::replay;
using namespace std::chrono_literals;

namespace {

[[nodiscard]] explore_options checked() {
    explore_options options;
    options.check_outcomes = true;
    options.seed = 1;
    options.max_executions = 2'000;
    return options;
}

/// It was not reported, and the outcomes were compared.
void check_accepted(const exploration& e) {
    CAPTURE(to_string(e));
    CHECK(e.ok());
    CHECK(e.outcomes.were_checked);
}

/// It was not reported, since serial runs say nothing here.
void check_left_out(const exploration& e, const std::string& why) {
    CAPTURE(to_string(e));
    CHECK(e.ok());
    CHECK_FALSE(e.outcomes.were_checked);
    CHECK(e.outcomes.trouble.find(why) != std::string::npos);
    CHECK(to_string(e).find("outcomes were not checked: ") != std::string::npos);
}

coro<> add_after(std::chrono::seconds delay, int& value) {
    const int before = value;
    co_await sleep_for(delay);
    value = before + 1;
}

coro<> add_twice() {
    int value = 0;
    co_await gather(add_after(2s, value), add_after(1s, value));
    effect("value", value);
}

coro<int> return_sum() {
    int value = 0;
    co_await gather(add_after(2s, value), add_after(1s, value));
    co_return value;
}

coro<> arrive_twice(int& arrived, std::vector<std::string>& log, std::string me) {
    for (int i = 0; i < 2; ++i) {
        co_await yield_now();
        ++arrived;
        effect("arrived as number", arrived);
        log.push_back(me);
        effect("in the log", me);
    }
}

coro<> two_arrive_twice() {
    int arrived = 0;
    std::vector<std::string> log;
    co_await gather(arrive_twice(arrived, log, "a"), arrive_twice(arrived, log, "b"));
}

coro<> produce(coroscope::queue<int>& q, int first) {
    for (int i = first; i < first + 2; ++i) {
        co_await q.put(i);
    }
}

coro<> consume(coroscope::queue<int>& q) {
    for (int i = 0; i < 2; ++i) {
        const int item = co_await q.get();
        effect("consumed", item);
    }
}

coro<> producers_and_consumers() {
    coroscope::queue<int> q(1);
    co_await gather(produce(q, 1), consume(q), produce(q, 3), consume(q));
}

}  // namespace

TEST_CASE("an outcome that no serial run has is a failure with a schedule", "[explore][outcomes]") {
    CHECK(explore(add_twice).ok());
    const auto found = explore(add_twice, checked());
    REQUIRE_FALSE(found.ok());
    const auto& failure = *found.failure;
    REQUIRE(failure.result.failures.size() == 1);
    CHECK(failure.result.failures[0].kind == failure_kind::outcome);
    CHECK(failure.result.failures[0].message
          == "no serial run has this outcome: done one after the other, in whatever order, the "
             "operations never come to it, so they have spoiled each other's work here\n"
             "    outcome:\n        value: 1\n"
             "    the outcome of 2 serial runs:\n        value: 2");
    CHECK(failure.shrunk_size == 0);  // first in, first out is enough
    const auto again = replay(add_twice, failure.shrunk, checked());
    REQUIRE(again.failures.size() == 1);
    CHECK(again.failures[0].message == failure.result.failures[0].message);
    CHECK(replay(add_twice, failure.shrunk).ok());  // without the check
}

TEST_CASE("what the body returns is part of the outcome", "[explore][outcomes]") {
    const auto found = explore(return_sum, checked());
    REQUIRE_FALSE(found.ok());
    CHECK(found.failure->result.failures[0].message.find("returned: 1") != std::string::npos);
}

TEST_CASE("who arrives first, and as which number, is no outcome", "[explore][outcomes]") {
    const auto tried = explore(two_arrive_twice, checked());
    check_accepted(tried);
    CHECK(tried.exhausted);
}

TEST_CASE("producers and consumers are not reported", "[explore][outcomes]") {
    check_accepted(explore(producers_and_consumers, checked()));
}

namespace {

coro<> write_message(std::string& wire, std::string head, std::string body) {
    wire += head;
    co_await yield_now();
    wire += body;
}

coro<> two_messages() {
    std::string wire;
    co_await gather(write_message(wire, "H1", "B1"), write_message(wire, "H2", "B2"));
    effect("wire", wire);
}

}  // namespace

TEST_CASE("an order counts where it is stated as one value", "[explore][outcomes]") {
    const auto found = explore(two_messages, checked());
    REQUIRE_FALSE(found.ok());
    CHECK(
        found.failure->result.failures[0].message.find("the nearest of 2 outcomes of 2 serial runs")
        != std::string::npos);
}

namespace {

template <bool Scoped>
coro<> take_two_numbers(int& next, std::string me) {
    for (int i = 0; i < 2; ++i) {
        co_await yield_now();
        std::optional<op_scope> scope;
        if (Scoped) { scope.emplace("take a number"); }
        effect(me + " took", next++);
        co_await yield_now();
    }
}

template <bool Scoped>
coro<> two_take_two_numbers() {
    int next = 1;
    co_await gather(take_two_numbers<Scoped>(next, "ann"), take_two_numbers<Scoped>(next, "bob"));
}

}  // namespace

TEST_CASE("a task with op_scopes is several operations", "[explore][outcomes]") {
    check_accepted(explore(two_take_two_numbers<true>, checked()));
    CHECK_FALSE(explore(two_take_two_numbers<false>, checked()).ok());
}

namespace {

coro<> add_in_scopes(int& value) {
    for (int i = 0; i < 2; ++i) {
        co_await sleep_for(1s);
        const op_scope one("add");
        const int before = value;
        co_await sleep_for(1s);
        value = before + 1;
    }
}

coro<> two_add_in_scopes() {
    int value = 0;
    co_await gather(add_in_scopes(value), add_in_scopes(value));
    effect("value", value);
}

coro<> pay(int& paid) {
    co_await yield_now();
    const bool is_declined = fault_point("card declined");
    if (!is_declined) { ++paid; }
}

coro<> two_pay() {
    int paid = 0;
    co_await gather(pay(paid), pay(paid));
    effect("paid", paid);
}

}  // namespace

TEST_CASE("an operation in a scope is not interrupted in serial runs", "[explore][outcomes]") {
    const auto found = explore(two_add_in_scopes, checked());
    REQUIRE_FALSE(found.ok());
    CHECK(found.failure->result.failures[0].message.find("value: 4") != std::string::npos);
    CHECK(found.outcomes.serial_outcomes == 1);
}

TEST_CASE("faults are part of serial runs", "[explore][outcomes]") {
    const auto tried = explore(two_pay, checked());
    check_accepted(tried);
    CHECK(tried.outcomes.serial_outcomes == 3);
}

TEST_CASE("where there are too many serial runs, nothing is reported", "[explore][outcomes]") {
    auto options = checked();
    options.max_serial_runs = 1;
    check_left_out(explore(add_twice, options), "there are more than 1 serial run ");
}

namespace {

coro<> nap() {
    co_await sleep_for(1'500ms);
}

coro<> two_naps() {
    co_await gather(nap(), nap());
}

coro<> naps_in_time() {
    bool is_in_time = true;
    try {
        co_await coroscope::wait_for(two_naps(), 2s);
    } catch (const coroscope::timeout_error&) { is_in_time = false; }
    effect("in time", is_in_time);
}

coro<> tick(int& ticks) {
    for (;;) {
        co_await sleep_for(1s);
        ++ticks;
    }
}

coro<> look_at(const int& ticks) {
    co_await sleep_for(3'500ms);
    effect("ticks", ticks);
}

coro<> ticker_and_worker() {
    int ticks = 0;
    auto& loop = coroscope::get_running_loop();
    auto ticker = loop.create_task(tick(ticks));
    auto worker = loop.create_task(look_at(ticks));
    co_await worker;
    static_cast<void>(ticker.cancel());
}

coro<> ticker_and_sleep() {
    int ticks = 0;
    auto ticker = coroscope::get_running_loop().create_task(tick(ticks));
    co_await sleep_for(10'500ms);
    static_cast<void>(ticker.cancel());
    effect("ticks", ticks);
}

}  // namespace

namespace {

coro<> yield_often(int& turns) {
    for (int i = 0; i < 20; ++i) {
        co_await yield_now();
    }
    ++turns;
}

coro<> two_yield_often() {
    int turns = 0;
    co_await gather(yield_often(turns), yield_often(turns));
    effect("turns", turns);
}

coro<> throw_always() {
    co_await yield_now();
    throw std::runtime_error("always");
}

}  // namespace

TEST_CASE("where a serial run comes to max_steps, nothing is reported", "[explore][outcomes]") {
    auto options = checked();
    options.max_executions = 10;
    check_accepted(explore(two_yield_often, options));
    options.max_steps = 30;
    check_left_out(explore(two_yield_often, options), "a serial run came to max_steps");
}

TEST_CASE("where every serial run fails, that is said", "[explore][outcomes]") {
    const auto found = explore(throw_always, checked());
    REQUIRE_FALSE(found.ok());
    CHECK(found.failure->result.failures[0].kind == failure_kind::exception);
    CHECK(found.outcomes.trouble == "every serial run fails");
}

TEST_CASE("where a timeout runs out in a serial run, nothing is reported", "[explore][outcomes]") {
    check_left_out(explore(naps_in_time, checked()), "a timeout, or a sleep of the body");
}

namespace {

coro<> move_the_clock() {
    int value = 0;
    auto both = gather(add_after(2s, value), add_after(1s, value));
    co_await coroscope::testkit::this_test().clock().advance(5s);
    co_await both;
    effect("value", value);
}

}  // namespace

TEST_CASE("where the body moves the clock past those who are held, nothing is reported",
          "[explore][outcomes]") {
    check_left_out(explore(move_the_clock, checked()), "the test moves its clock");
}

TEST_CASE("where an operation never ends by itself, nothing is reported", "[explore][outcomes]") {
    check_left_out(explore(ticker_and_worker, checked()), "sleeps again and again");
}

TEST_CASE("the body's own sleeps hold nobody", "[explore][outcomes]") {
    check_accepted(explore(ticker_and_sleep, checked()));
}

namespace {

struct used_by_threads {
    std::atomic<int> value{0};
    std::atomic<int> have_read{0};
    std::atomic<bool> is_alone{false};
    int begun = 0;
};

coro<> add_on_a_thread(used_by_threads& s) {
    ++s.begun;
    const auto add = [&s] {
        const int before = s.value;
        ++s.have_read;
        while (s.have_read < 2 && !s.is_alone) {
            std::this_thread::yield();
        }
        s.value = before + 1;
    };
    co_await coroscope::get_running_loop().run_in_executor(add);
}

coro<> two_threads_add() {
    used_by_threads s;
    auto both = gather(add_on_a_thread(s), add_on_a_thread(s));
    for (int i = 0; i < 5; ++i) {
        co_await yield_now();
    }
    s.is_alone = s.begun < 2;  // in a serial run the second comes after the first has ended
    co_await both;
    effect("value", s.value.load());
}

}  // namespace

TEST_CASE("a lost update across threads is confirmed", "[explore][outcomes][threads]") {
    auto options = checked();
    options.max_executions = 1;
    options.max_shrink_executions = 0;
    const auto found = explore(two_threads_add, options);
    REQUIRE_FALSE(found.ok());
    CHECK(found.outcomes.serial_outcomes == 1);
    CHECK(found.failure->result.failures[0].message.find("value: 2") != std::string::npos);
}

TEST_CASE("what a serial run has left to others is not older than the exploration",
          "[explore][outcomes]") {
    std::optional<coroscope::task<>> kept;
    const auto leave = [&kept] {
        auto& loop = coroscope::testkit::this_test().loop();
        static_cast<void>(loop.io_context());  // the loop is gone when the next one begins
        kept = loop.create_task(throw_always());
        return two_naps();
    };
    const auto found = explore(leave, checked());
    REQUIRE_FALSE(found.ok());
    CAPTURE(to_string(found));
    CHECK(found.executions == 1);
    CHECK(found.failure->message.find("before this exploration") == std::string::npos);
    kept.reset();
    const auto late = explore(two_naps, checked());
    REQUIRE_FALSE(late.ok());
    CHECK(late.executions == 0);
    CHECK(late.failure->message.find("before this exploration") != std::string::npos);
}
