// SPDX-License-Identifier: Apache-2.0
// What a hunt for races takes for a witness, how much of an exploration it may take, and how what
// it has found is replayed.

#include "explore/explored_environment.hpp"
#include "explore/random_walk.hpp"
#include "explore/recorded_run.hpp"

#include <coroscope/testkit/explore.hpp>

#include "support/catch.hpp"

#include <coroscope/instrumentation/races.hpp>
#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/sleep.hpp>

#include <algorithm>
#include <memory>
#include <optional>
#include <stdexcept>

using namespace coroscope;
using namespace coroscope::testkit;
using coroscope::testkit::detail::default_order;
using coroscope::testkit::detail::explored_environment;
using coroscope::testkit::detail::recorded_run;
using instrumentation::shared;
using instrumentation::single_task;
using instrumentation::watched;

namespace {

coro<> add_what_is_old(shared<int>& sum) {
    const auto before = sum.get();
    co_await yield_now();
    sum.set(before + 1);
}

coro<> add_later(shared<int>& sum) {
    for (int i = 0; i < 3; ++i) {
        co_await yield_now();
    }
    sum.update([](int& value) { ++value; });
}

/// Predicted, and nothing fails.
coro<> lose_one_addition() {
    shared<int> sum(0, "sum");
    co_await gather(add_what_is_old(sum), add_later(sum));
}

coro<> leave_behind() {
    throw std::runtime_error("left behind");
    co_return;
}

/// The loop is fit for no other execution, and the exception is known to nobody yet.
coro<> lose_one_and_leave(std::optional<task<>>& kept, bool is_first) {
    auto& own = this_test().loop();
    static_cast<void>(own.io_context());
    if (is_first) { kept = own.create_task(leave_behind()); }
    co_await lose_one_addition();
}

coro<> close_late(watched<int>& file) {
    co_await yield_now();
    co_await yield_now();
    file.close();
}

coro<> use_soon(watched<int>& file) {
    co_await yield_now();
    static_cast<void>(file.use());
}

coro<> close_what_is_used() {
    watched<int> file("file");
    file.open(1);
    co_await gather(use_soon(file), close_late(file));
}

coro<> set_later(shared<int>& sum, int where) {
    for (int i = 0; i < 3; ++i) {
        co_await yield_now();
    }
    switch (where) {
    case 0: sum.set(1); break;
    case 1: sum.set(1); break;
    case 2: sum.set(1); break;
    default: sum.set(1); break;
    }
}

/// A prediction of each line that sets it.
coro<> lose_many_additions() {
    shared<int> sum(0, "sum");
    co_await gather(add_what_is_old(sum), set_later(sum, 0), set_later(sum, 1), set_later(sum, 2),
                    set_later(sum, 3));
}

coro<> take_if_any(int& left, single_task<int>& owned) {
    if (left == 0) { co_return; }
    co_await yield_now();
    --left;
    ++owned.get();
}

coro<> take_later(int& left, single_task<int>& owned) {
    co_await yield_now();
    co_await yield_now();
    co_await take_if_any(left, owned);
}

/// In the default order there is nothing to be seen of it.
coro<> take_one() {
    int left = 1;
    single_task<int> owned(0, "owned");
    co_await gather(take_if_any(left, owned), take_later(left, owned));
}

coro<> publish_in_two_steps(shared<bool>& is_there, shared<int>& value) {
    co_await yield_now();
    is_there.set(true);
    co_await yield_now();
    value.set(5);
}

coro<> look_at_both(shared<bool>& is_there, shared<int>& value) {
    const bool was_there = is_there.get();
    for (int i = 0; i < 3; ++i) {
        co_await yield_now();
    }
    if (was_there && value.get() != 5) { throw std::runtime_error("it is there, and empty"); }
}

/// Fails where one looks after the first step and has looked twice before the second one.
coro<> publish_too_early() {
    shared<bool> is_there(false, "is_there");
    shared<int> value(0, "value");
    co_await gather(look_at_both(is_there, value), publish_in_two_steps(is_there, value));
}

/// Looks whether nobody was faster before it writes what it has computed.
coro<> add_if_unchanged(shared<int>& version, shared<int>& sum) {
    for (;;) {
        const auto seen = version.get();
        const auto before = sum.get();
        co_await yield_now();
        if (version.get() == seen) {
            version.update([](int& value) { ++value; });
            sum.set(before + 1);
            co_return;
        }
    }
}

coro<> add_if_unchanged_later(shared<int>& version, shared<int>& sum) {
    co_await yield_now();
    co_await yield_now();
    co_await add_if_unchanged(version, sum);
}

coro<> compare_and_set() {
    shared<int> version(0, "version");
    shared<int> sum(0, "sum");
    co_await gather(add_if_unchanged(version, sum), add_if_unchanged_later(version, sum));
}

[[nodiscard]] explore_options looking_for_races() {
    explore_options options;
    options.find_races = true;
    options.strategy = strategy::default_order;
    options.seed = 1;
    return options;
}

[[nodiscard]] std::ptrdiff_t replays_of(const report::finding& f) {
    return std::ranges::count(f.evidence, "replay", &report::evidence_item::label);
}

}  // namespace

TEST_CASE("what would fail in any order is no witness of a race") {
    std::optional<task<>> kept;
    auto options = looking_for_races();
    int loops = 0;
    options.test.make_loop = [&](const loop_options& settings) {
        if (++loops == 2) { kept.reset(); }
        return std::make_unique<loop>(settings);
    };
    const auto found = explore([&] { return lose_one_and_leave(kept, loops == 1); }, options);
    REQUIRE_FALSE(found.ok());
    INFO(found.failure->message);
    CHECK(found.failure->found_by == "a directed execution");
    CHECK(found.failure->result.failures.front().kind == failure_kind::between_tests);
    CHECK(found.failure->findings.empty());
    REQUIRE_FALSE(found.findings.empty());
    for (const auto& each : found.findings) {
        CHECK(each.verdict == report::verdict::predicted);
    }
}

TEST_CASE("what a detector alone has seen is replayed under a detector") {
    const auto found = explore(close_what_is_used, looking_for_races());
    REQUIRE_FALSE(found.ok());
    INFO(found.failure->message);
    CHECK(found.failure->found_by == "a directed execution: use-after-close");
    CHECK(found.failure->message.ends_with("\", {.find_races = true})"));
    const auto again = replay(close_what_is_used, found.failure->shrunk, looking_for_races());
    REQUIRE(again.failures.size() == 1);
    CHECK(again.failures.front().kind == failure_kind::race);
    CHECK(replay(close_what_is_used, found.failure->shrunk).ok());
    CHECK(replay(close_what_is_used, "co1:1:", looking_for_races()).ok());
}

TEST_CASE("what a detector has seen in a directed execution has one schedule that replays it") {
    const auto found = explore(take_one, looking_for_races());
    REQUIRE_FALSE(found.ok());
    CHECK(found.failure->found_by == "a directed execution: single-task");
    REQUIRE_FALSE(found.failure->findings.empty());
    const auto& race = found.failure->findings.front();
    CHECK(replays_of(race) == 1);
    CHECK(race.evidence.back().label == "replay");
    CHECK(race.evidence.back().text == found.failure->schedule);
}

TEST_CASE("a second pair is turned round after a first one that made it possible") {
    const auto found = explore(publish_too_early, looking_for_races());
    REQUIRE_FALSE(found.ok());
    INFO(found.failure->message);
    CHECK(found.failure->found_by == "a directed execution: unordered-uses");
    CHECK(found.failure->shrunk_size == 2);
    CHECK_FALSE(replay(publish_too_early, found.failure->schedule).ok());
    REQUIRE(found.failure->findings.size() == 1);
    const auto& race = found.failure->findings.front();
    CHECK(std::ranges::count(race.evidence, "turned round as well", &report::evidence_item::label)
          == 1);
    CHECK(std::ranges::count(race.evidence, "schedule", &report::evidence_item::label) == 2);
}

TEST_CASE("a prediction is dropped where its order came about and the program has noticed") {
    const auto found = explore(compare_and_set, looking_for_races());
    INFO(to_string(found));
    CHECK(found.ok());
    CHECK(found.executions > 2);
    CHECK(found.findings.empty());
}

TEST_CASE("a prediction stays where what it says came about, and nothing failed") {
    const auto found = explore(lose_one_addition, looking_for_races());
    CHECK(found.ok());
    REQUIRE(found.findings.size() == 1);
    CHECK(found.findings.front().verdict == report::verdict::predicted);
}

TEST_CASE("predictions leave the strategy half of a few executions") {
    auto options = looking_for_races();
    options.strategy = strategy::random_walk;
    options.max_executions = 4;
    const auto found = explore(lose_many_additions, options);
    INFO(to_string(found));
    CHECK(found.ok());
    CHECK(found.findings.size() >= options.max_executions);
    CHECK(found.executions == options.max_executions);
    CHECK(found.coverage.distinct_schedules > 0);  // of the strategy's own
}

TEST_CASE("a recorded run is not ordered by what its steps use, but for who asks") {
    explored_environment environment({}, await_site::current());
    recorded_run recorded({});
    CHECK(environment.run(recorded, 1, 1'000, lose_one_addition).ok());
    CHECK_FALSE(recorded.orders().empty());
    CHECK_FALSE(environment.driver().class_hash().has_value());
    default_order plain;
    environment.driver().set_counts_classes(true);
    CHECK(environment.run(plain, 1, 1'000, lose_one_addition).ok());
    CHECK(environment.driver().class_hash().has_value());
}
