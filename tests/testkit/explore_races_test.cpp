// SPDX-License-Identifier: Apache-2.0
#include <coroscope/testkit/explore.hpp>

#include <coroscope/instrumentation/effects.hpp>
#include <coroscope/instrumentation/races.hpp>
#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/event.hpp>
#include <coroscope/runtime/mutex.hpp>
#include <coroscope/runtime/queue.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/runtime/task.hpp>
#include <coroscope/testkit/fault.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

using namespace coroscope;
using namespace coroscope::testkit;
using instrumentation::shared;

namespace {

/// What lies between a read and the write that is computed from it.
coro<> deposit_slowly(shared<int>& balance, int amount) {
    const auto before = balance.get();
    co_await yield_now();
    balance.set(before + amount);
}

/// First in, first out, this one comes last.
coro<> deposit_late(shared<int>& balance, int amount) {
    for (int i = 0; i < 3; ++i) {
        co_await yield_now();
    }
    balance.update([amount](int& value) { value += amount; });
}

coro<> deposit_locked(mutex& lock, coro<> work) {
    const auto held = co_await lock.scoped();
    co_await std::move(work);
}

coro<int> total_of_two() {
    shared<int> balance(0, "balance");
    co_await gather(deposit_slowly(balance, 10), deposit_late(balance, 5));
    co_return balance.peek();
}

coro<> expect_both() {
    const auto total = co_await total_of_two();
    if (total != 15) { throw std::runtime_error("the balance is " + std::to_string(total)); }
}

coro<> expect_both_locked() {
    shared<int> balance(0, "balance");
    mutex lock;
    co_await gather(deposit_locked(lock, deposit_slowly(balance, 10)),
                    deposit_locked(lock, deposit_late(balance, 5)));
    if (balance.peek() != 15) { throw std::runtime_error("locked, and yet"); }
}

/// The same over a plain variable, of which nobody tells.
coro<> take_slowly(int& left, int& taken) {
    if (left == 0) { co_return; }
    co_await yield_now();
    --left;
    ++taken;
}

coro<> take_late(int& left, int& taken) {
    co_await yield_now();
    co_await yield_now();
    co_await take_slowly(left, taken);
}

coro<> expect_one_taken() {
    int left = 1;
    int taken = 0;
    co_await gather(take_slowly(left, taken), take_late(left, taken));
    if (taken != 1) { throw std::runtime_error("taken twice"); }
}

coro<> count_some(shared<int>& n) {
    for (int i = 0; i < 4; ++i) {
        n.update([](int& value) { ++value; });
        co_await yield_now();
    }
}

/// Two orders of any two steps come to the same.
coro<> count_together() {
    shared<int> n(0, "n");
    co_await gather(count_some(n), count_some(n), count_some(n));
    if (n.peek() != 12) { throw std::runtime_error("miscounted"); }
}

/// What is rung before anybody listens is not heard.
coro<> listen(event& bell) {
    co_await yield_now();
    co_await bell.wait();
}

coro<> ring_late(event& bell) {
    for (int i = 0; i < 3; ++i) {
        co_await yield_now();
    }
    bell.set();
    bell.clear();
}

coro<> expect_to_hear() {
    event bell;
    co_await gather(listen(bell), ring_late(bell));
}

coro<> take_if_any(queue<int>& q) {
    if (q.empty()) { co_return; }
    co_await yield_now();
    static_cast<void>(q.get_nowait());
}

coro<> take_if_any_late(queue<int>& q) {
    co_await yield_now();
    co_await yield_now();
    co_await take_if_any(q);
}

coro<> expect_an_item() {
    queue<int> q;
    q.put_nowait(1);
    co_await gather(take_if_any(q), take_if_any_late(q));
}

coro<> lock_for_a_step(mutex& m) {
    const auto held = co_await m.scoped();
    co_await yield_now();
}

coro<> lock_without_waiting(mutex& m) {
    co_await yield_now();
    co_await yield_now();
    if (!m.try_lock()) { throw std::runtime_error("not free"); }
    m.unlock();
}

coro<> expect_a_free_lock() {
    mutex m;
    co_await gather(lock_for_a_step(m), lock_without_waiting(m));
}

coro<> go_on() {
    co_await yield_now();
}

coro<> fail_by_fault() {
    co_await gather(go_on(), go_on());
    const bool fails = fault_point("disk");
    if (fails) { throw std::runtime_error("the disk is full"); }
}

coro<> close_at_once(instrumentation::watched<int>& file) {
    file.close();
    co_return;
}

coro<> use_then(instrumentation::watched<int>& file) {
    co_await yield_now();
    static_cast<void>(file.use());
}

coro<> use_after_close() {
    instrumentation::watched<int> file("file");
    file.open(1);
    co_await gather(close_at_once(file), use_then(file));
}

coro<> close_late(instrumentation::watched<int>& file) {
    co_await yield_now();
    co_await yield_now();
    file.close();
}

coro<> close_while_used() {
    instrumentation::watched<int> file("file");
    file.open(1);
    co_await gather(use_then(file), close_late(file));
}

coro<> set_after_a_step(bool& flag) {
    co_await yield_now();
    flag = true;
}

coro<> poll(const bool& flag) {
    while (!flag) {
        co_await yield_now();
    }
}

coro<> expect_flag() {
    bool flag = false;
    co_await gather(set_after_a_step(flag), poll(flag));
}

[[nodiscard]] std::vector<std::string> labels_of(const report::finding& f) {
    std::vector<std::string> labels;
    for (const auto& each : f.evidence) {
        labels.push_back(each.label);
    }
    return labels;
}

coro<> expect_nothing() {
    static_cast<void>(co_await total_of_two());
}

[[nodiscard]] explore_options hunting() {
    explore_options options;
    options.find_races = true;
    options.strategy = strategy::default_order;
    options.seed = 1;
    options.test.name = "races";
    return options;
}

}  // namespace

TEST_CASE("a race that the default order hides is confirmed by a directed execution") {
    const auto found = explore(expect_both, hunting());
    REQUIRE_FALSE(found.ok());
    CHECK(found.failure->found_by == "a directed execution: stale-write");
    CHECK(found.failure->number <= 3);
    CHECK(found.executions >= found.failure->number);
    REQUIRE(found.failure->findings.size() == 1);
    const auto& race = found.failure->findings.front();
    CHECK(race.verdict == report::verdict::confirmed);
    CHECK(race.rule == "stale-write");
    REQUIRE_FALSE(race.evidence.empty());
    CHECK(race.evidence.back().label == "replay");
    CHECK(race.evidence.back().text == found.failure->schedule);
    INFO(found.failure->message);
    CHECK(found.failure->message.find("race, confirmed: ") != std::string::npos);
    CHECK(found.failure->message.find("'balance'") != std::string::npos);
    CHECK_FALSE(replay(expect_both, found.failure->schedule, hunting()).ok());
    CHECK_FALSE(replay(expect_both, found.failure->shrunk, hunting()).ok());
}

TEST_CASE("a lock makes an end of races, predicted ones too") {
    const auto found = explore(expect_both_locked, hunting());
    INFO(to_string(found));
    CHECK(found.ok());
    CHECK(found.findings.empty());
}

TEST_CASE("a race that nobody has seen fail is predicted and fails nothing") {
    const auto found = explore(expect_nothing, hunting());
    INFO(to_string(found));
    CHECK(found.ok());
    REQUIRE(found.findings.size() == 1);
    CHECK(found.findings.front().verdict == report::verdict::predicted);
    CHECK(to_string(found).find("race, predicted only: ") != std::string::npos);
}

TEST_CASE("an outcome that no serial run has confirms a race that no assertion sees") {
    auto options = hunting();
    options.check_outcomes = true;
    const auto found = explore(total_of_two, options);
    INFO(to_string(found));
    REQUIRE_FALSE(found.ok());
    CHECK(found.failure->found_by == "a directed execution: stale-write");
}

TEST_CASE("a race that nobody tells of is confirmed by an order of steps") {
    const auto found = explore(expect_one_taken, hunting());
    REQUIRE_FALSE(found.ok());
    INFO(found.failure->message);
    CHECK(found.failure->found_by == "a directed execution: unordered-steps");
    CHECK(found.failure->number <= 4);
    REQUIRE(found.failure->findings.size() == 1);
    const auto& race = found.failure->findings.front();
    CHECK(race.verdict == report::verdict::confirmed);
    CHECK(race.message.starts_with("nothing orders two steps: task "));
    CHECK(labels_of(race)
          == std::vector<std::string>{
              "variable", "first task", "other task", "first access", "await of the first task",
              "other access", "await of the other task", "missing order", "schedule", "replay"});
    CHECK(race.evidence.back().text == found.failure->schedule);
    CHECK_FALSE(replay(expect_one_taken, found.failure->schedule, hunting()).ok());
}

TEST_CASE("two uses of what synchronises are tried in the other order") {
    const auto found = explore(expect_an_item, hunting());
    REQUIRE_FALSE(found.ok());
    INFO(found.failure->message);
    CHECK(found.failure->found_by == "a directed execution: unordered-uses");
    CHECK(found.failure->number <= 3);
    REQUIRE(found.failure->findings.size() == 1);
    const auto& race = found.failure->findings.front();
    CHECK(race.message.find(" use an object that synchronises, and nothing orders that: ")
          != std::string::npos);
    REQUIRE(race.evidence.size() > 2);
    CHECK(race.evidence[1].text != race.evidence[2].text);  // the two tasks
}

TEST_CASE("a mutex that both use has its name") {
    const auto found = explore(expect_a_free_lock, hunting());
    REQUIRE_FALSE(found.ok());
    INFO(found.failure->message);
    CHECK(found.failure->found_by == "a directed execution: unordered-uses");
    REQUIRE(found.failure->findings.size() == 1);
    CHECK(found.failure->findings.front().message.find(" use mutex ") != std::string::npos);
}

TEST_CASE("a signal that is given before anybody waits is tried") {
    const auto found = explore(expect_to_hear, hunting());
    REQUIRE_FALSE(found.ok());
    INFO(found.failure->message);
    CHECK(found.failure->found_by.starts_with("a directed execution: "));
    CHECK(found.failure->number <= 3);
    CHECK(found.failure->result.failures.front().kind == failure_kind::deadlock);
    CHECK_FALSE(found.failure->findings.empty());
}

TEST_CASE("where no directed execution fails, the strategy goes on") {
    auto options = hunting();
    options.strategy = strategy::depth_first;
    const auto plain = [&] {
        auto without = options;
        without.find_races = false;
        return explore(expect_both_locked, without);
    }();
    const auto found = explore(expect_both_locked, options);
    INFO(to_string(found));
    CHECK(found.ok());
    CHECK(found.exhausted);
    CHECK(found.executions > plain.executions + 1);

    options.strategy = strategy::random_walk;
    const auto by_strategy = explore(fail_by_fault, options);
    REQUIRE_FALSE(by_strategy.ok());
    CHECK(by_strategy.failure->found_by == "random walk");
    CHECK(by_strategy.failure->number > 1);
    CHECK(by_strategy.failure->number == by_strategy.executions);
}

TEST_CASE("a hunt leaves the strategy most of a few executions") {
    auto options = hunting();
    options.max_executions = 16;
    options.strategy = strategy::random_walk;
    const auto found = explore(count_together, options);
    INFO(to_string(found));
    CHECK(found.ok());
    CHECK(found.executions == 16);
    CHECK(found.coverage.distinct_schedules > 4);  // of the strategy's own
}

TEST_CASE("a hold that waits for nobody is given up, and is no hang") {
    auto options = hunting();
    // The poller never ends before the flag is set: it has no such await, or ends without it.
    for (const auto* schedule : {"co1:1:0.0@1-0.7@3", "co1:1:0.0@1-0@1"}) {
        const auto result = replay(expect_flag, schedule, options);
        CAPTURE(schedule, to_string(result));
        CHECK(result.ok());
        CHECK(result.steps < 500);
    }
}

TEST_CASE("a recorded execution that fails is the failure") {
    const auto found = explore(
        []() -> coro<> {
            throw std::runtime_error("at once");
            co_return;
        },
        hunting());
    REQUIRE_FALSE(found.ok());
    CHECK(found.failure->found_by == "the recorded execution");
    CHECK(found.failure->number == 1);
    CHECK(found.executions == 1);
}

TEST_CASE("what a detector has seen happen in the recorded execution fails it") {
    const auto found = explore(use_after_close, hunting());
    REQUIRE_FALSE(found.ok());
    INFO(found.failure->message);
    CHECK(found.failure->found_by == "the recorded execution");
    CHECK(found.failure->result.failures.front().kind == failure_kind::race);
    REQUIRE(found.findings.size() == 1);
    CHECK(found.findings.front().rule == "use-after-close");
}

TEST_CASE("an exception that has surfaced before a hunt is its failure, and nothing is recorded") {
    auto fails = []() -> coro<> {
        throw std::runtime_error("left behind");
        co_return;
    };
    std::optional<task<>> kept;
    const auto leave = [&] {
        kept = this_test().loop().create_task(fails());
        return go_on();
    };
    CHECK(run_test(leave).ok());
    kept.reset();
    const auto found = explore(expect_both, hunting());
    REQUIRE_FALSE(found.ok());
    CHECK(found.failure->found_by == "before the first execution");
    CHECK(found.failure->message.find("left behind") != std::string::npos);
    CHECK(found.executions == 0);
    CHECK(found.findings.empty());
}

TEST_CASE("what a detector sees happen in a directed execution confirms it without an assertion") {
    const auto found = explore(close_while_used, hunting());
    REQUIRE_FALSE(found.ok());
    INFO(found.failure->message);
    CHECK(found.failure->found_by == "a directed execution: use-after-close");
    CHECK(found.failure->result.failures.front().kind == failure_kind::race);
    REQUIRE_FALSE(found.failure->findings.empty());
    for (const auto& each : found.failure->findings) {
        CHECK(each.rule == "use-after-close");
        CHECK(each.evidence.back().label == "replay");
    }
}

TEST_CASE("a hunt ends with the time of its exploration") {
    auto options = hunting();
    options.time_budget = std::chrono::seconds(0);
    const auto found = explore(expect_both, options);
    INFO(to_string(found));
    CHECK(found.ok());
    CHECK(found.executions == 1);
    CHECK(found.findings.size() == 1);  // predicted, and not tried
}

TEST_CASE("without find_races nothing is recorded") {
    auto options = hunting();
    options.find_races = false;
    const auto found = explore(expect_both, options);
    CHECK(found.ok());
    CHECK(found.findings.empty());
    CHECK(found.executions == 1);
}

TEST_CASE("one shard of several hunts for races") {
    auto options = hunting();
    options.shard = {2, 2};
    CHECK(explore(expect_both, options).ok());
    options.shard = {1, 2};
    CHECK_FALSE(explore(expect_both, options).ok());
}
