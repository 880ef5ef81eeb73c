// SPDX-License-Identifier: Apache-2.0
// What an exploration confirms says how to replay it, in a schedule that can be read and run.
#include "explore/schedule.hpp"

#include <coroscope/testkit/explore.hpp>

#include <coroscope/instrumentation/races.hpp>
#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/condition.hpp>
#include <coroscope/runtime/mutex.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "instrumentation/races/finding_parser.hpp"
#include "instrumentation/races/waiting_tasks.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>

using namespace coroscope;
using namespace coroscope::testkit;
using namespace std::chrono_literals;
using instrumentation::shared;
using instrumentation::single_task;

namespace {

coro<> add_stale(shared<int>& x) {
    const auto before = x.get();
    co_await yield_now();
    x.set(before + 1);
}

coro<> add_late(shared<int>& x) {
    for (int i = 0; i < 3; ++i) {
        co_await yield_now();
    }
    x.update([](int& value) { ++value; });
}

coro<> lose_an_update() {
    shared<int> x(0, "x");
    co_await gather(add_stale(x), add_late(x));
    if (x.peek() != 2) { throw std::runtime_error("an addition is lost"); }
}

coro<> lock_in_both_orders() {
    mutex a;
    mutex b;
    co_await gather(lock_two(a, b), lock_two(b, a));
}

coro<> lend_a_lock() {
    mutex m;
    co_await lend(m);
}

coro<> miss_a_signal() {
    condition c;
    co_await gather(notify(c), wait_blindly(c));
}

coro<> take(single_task<int>& value) {
    ++value.get();
    co_return;
}

coro<> break_a_contract() {
    single_task<int> owned(0, "owned");
    co_await gather(take(owned), take(owned));
}

[[nodiscard]] exploration find_races_in(const std::function<coro<>()>& body) {
    explore_options options;
    options.find_races = true;
    options.max_executions = 20;
    options.seed = 1;
    return explore(body, options);
}

struct hidden_bug {
    std::string rule;
    std::function<coro<>()> body;
};

}  // namespace

TEST_CASE("what was confirmed has a schedule that replays it") {
    const auto bug = GENERATE(values<hidden_bug>({{"stale-write", &lose_an_update},
                                                  {"lock-cycle", &lock_in_both_orders},
                                                  {"self-lock", &lend_a_lock},
                                                  {"lost-wakeup", &miss_a_signal},
                                                  {"single-task", &break_a_contract}}));
    CAPTURE(bug.rule);
    const auto explored = find_races_in(bug.body);
    CHECK_FALSE(explored.ok());
    const auto found = std::ranges::find(explored.findings, bug.rule, &report::finding::rule);
    REQUIRE(found != explored.findings.end());
    CHECK(found->verdict == report::verdict::confirmed);
    CHECK(finding_parser(*found).missing() == std::vector<std::string>());
    const auto line = std::ranges::find(found->evidence, "replay", &report::evidence_item::label);
    REQUIRE(line != found->evidence.end());
    const auto how = testkit::detail::parse_schedule(line->text);
    CHECK(how.seed == 1);
    CHECK(how.holds.empty() == (bug.rule != "stale-write"));
    const auto again = replay(bug.body, line->text);
    CHECK(again.ok() == (bug.rule == "single-task"));  // which the detector alone notices
    explore_options watched;
    watched.find_races = true;
    CHECK_FALSE(replay(bug.body, line->text, watched).ok());
}

TEST_CASE("what happens in a hang is told of with the hang") {
    const auto explored = find_races_in(&lend_a_lock);
    REQUIRE(explored.failure.has_value());
    CHECK(explored.failure->found_by == "the recorded execution");
    REQUIRE(explored.findings.size() == 1);
    CHECK(explored.findings[0].rule == "self-lock");
}

TEST_CASE("where time stands still, nobody hangs for good") {
    explore_options options;
    options.find_races = true;
    options.test.autojump = false;
    const auto body = []() -> coro<> {
        co_await sleep_for(1s);
    };
    const auto explored = explore(body, options);
    CHECK_FALSE(explored.ok());
    CHECK(explored.findings.empty());
}
