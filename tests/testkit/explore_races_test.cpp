// SPDX-License-Identifier: Apache-2.0
#include <coroscope/testkit/explore.hpp>

#include <coroscope/instrumentation/effects.hpp>
#include <coroscope/instrumentation/races.hpp>
#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/mutex.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

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
