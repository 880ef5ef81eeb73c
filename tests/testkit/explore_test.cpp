// SPDX-License-Identifier: Apache-2.0
#include <coroscope/testkit/explore.hpp>

#include "support/catch.hpp"
#include "testkit/interleaved_tasks.hpp"

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/event.hpp>
#include <coroscope/runtime/mutex.hpp>
#include <coroscope/runtime/sleep.hpp>

#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using coroscope::coro;
using coroscope::testkit::exploration_progress;
using coroscope::testkit::explore;
using coroscope::testkit::explore_options;
using coroscope::testkit::failure_kind;
using coroscope::testkit::replay;
using coroscope::testkit::run_test;
using coroscope::testkit::shard;
using coroscope::testkit::strategy;
using coroscope::testkit::test_options;
using coroscope::testkit::this_test;

namespace {

explore_options with(strategy s, std::uint64_t executions = 10'000) {
    explore_options options;
    options.strategy = s;
    options.max_executions = executions;
    options.seed = 7;
    return options;
}

coro<> add_one(int& sum) {
    const int before = sum;
    co_await coroscope::yield_now();
    sum = before + 1;
}

/// First in, first out, both read before either writes; which order is right is another matter.
coro<> lost_update() {
    int sum = 0;
    co_await coroscope::gather(add_one(sum), add_one(sum));
    if (sum != 2) { throw std::runtime_error("lost an update"); }
}

coro<> publish(bool& is_ready, int& value) {
    value = 1;
    is_ready = true;
    co_return;
}

coro<> use(const bool& is_ready, bool& was_early) {
    co_await coroscope::yield_now();
    was_early = !is_ready;
}

/// Right in the default order only.
coro<> order_violation() {
    bool is_ready = false;
    int value = 0;
    bool was_early = false;
    co_await coroscope::gather(publish(is_ready, value), use(is_ready, was_early));
    if (was_early) { throw std::runtime_error("used too early"); }
}

coro<> lock_both(coroscope::mutex& first, coroscope::mutex& second) {
    const auto outer = co_await first.scoped();
    co_await coroscope::yield_now();
    const auto inner = co_await second.scoped();
}

coro<> lock_in_both_orders() {
    coroscope::mutex a;
    coroscope::mutex b;
    co_await coroscope::gather(lock_both(a, b), lock_both(b, a));
}

coro<> lock_in_one_order() {
    coroscope::mutex a;
    coroscope::mutex b;
    co_await coroscope::gather(lock_both(a, b), lock_both(a, b));
}

coro<> wait_for_ever() {
    co_await coroscope::sleep_for(coroscope::duration::max());
}

coro<> leak() {
    this_test().loop().create_task(wait_for_ever(), "leaked");
    co_return;
}

coro<> throw_in_a_task() {
    auto fails = []() -> coro<> {
        throw std::runtime_error("nobody asks");
        co_return;
    };
    this_test().loop().create_task(fails());
    co_await coroscope::yield_now();
}

coro<> throw_at_once() {
    throw std::runtime_error("at once");
    co_return;
}

coro<> throw_in_a_callback() {
    this_test().loop().call_soon([] { throw std::runtime_error("in a callback"); });
    co_return;
}

coro<> one_step() {
    co_await coroscope::yield_now();
}

coro<> be_cancelled() {
    coroscope::current_task().cancel();
    co_await coroscope::yield_now();
}

coro<> stop_the_loop() {
    this_test().loop().stop();
    co_await coroscope::sleep_for(1s);
}

coro<> poll_until(const bool& flag) {
    while (!flag) {
        co_await coroscope::yield_now();
    }
}

coro<> set(bool& flag) {
    co_await coroscope::yield_now();
    flag = true;
}

coro<> wait_by_polling() {
    bool flag = false;
    co_await coroscope::gather(poll_until(flag), set(flag));
}

coro<> poll_for_ever() {
    bool never = false;
    co_await coroscope::gather(poll_until(never), poll_until(never));
}

}  // namespace

TEST_CASE("an exploration finds what only another order shows, and says how to replay it",
          "[explore]") {
    const auto found = explore(order_violation, with(strategy::portfolio));
    REQUIRE_FALSE(found.ok());
    const auto& failure = *found.failure;
    CHECK(failure.result.failures.at(0).kind == failure_kind::exception);
    CHECK_FALSE(failure.found_by.empty());
    CHECK(failure.message.find("used too early") != std::string::npos);
    CHECK(failure.message.find("replay(body, \"" + failure.shrunk + "\")") != std::string::npos);
    CHECK(to_string(found) == failure.message);

    const auto again = replay(order_violation, failure.schedule);
    REQUIRE(again.failures.size() == 1);
    CHECK(again.failures[0].message == failure.result.failures[0].message);
    CHECK(run_test(order_violation).ok());
}

TEST_CASE("every strategy but the default order finds the order violation", "[explore]") {
    CHECK(explore(order_violation, with(strategy::default_order)).ok());
    for (const auto s : {strategy::random_walk, strategy::uniform_walk, strategy::selective_walk,
                         strategy::partial_order_sampling, strategy::pct_2, strategy::pct_3,
                         strategy::pct_5, strategy::depth_first}) {
        CAPTURE(to_string(s));
        const auto found = explore(order_violation, with(s, 1'000));
        CHECK_FALSE(found.ok());
        if (found.ok()) { continue; }
        CHECK_FALSE(replay(order_violation, found.failure->schedule).ok());
    }
}

TEST_CASE("what no order can break is explored to the end, and that is said", "[explore]") {
    CHECK_FALSE(explore(lock_in_both_orders, with(strategy::portfolio)).ok());
    const auto tried = explore(lock_in_one_order, with(strategy::portfolio));
    CHECK(tried.ok());
    CHECK(tried.exhausted);
    CHECK(to_string(tried).find("every order was tried") != std::string::npos);
}

TEST_CASE("depth first tries each interleaving once: (km)! / (m!)^k of them", "[explore]") {
    struct counted {
        int tasks, steps;
        std::uint64_t interleavings;
    };
    for (const auto& c : {counted{1, 5, 1}, counted{2, 1, 2}, counted{2, 4, 70}, counted{3, 2, 90},
                          counted{4, 1, 24}, counted{3, 3, 1680}, counted{4, 2, 2520}}) {
        CAPTURE(c.tasks, c.steps);
        const auto body = [&] {
            return tasks_of_steps(c.tasks, c.steps);
        };
        const auto tried = explore(body, with(strategy::depth_first));
        CHECK(tried.ok());
        CHECK(tried.executions == c.interleavings);
        CHECK(tried.coverage.distinct_schedules == c.interleavings);
        CHECK(tried.exhausted);
    }
}

TEST_CASE("a bound on deviations leaves out what deviates more, and proves nothing", "[explore]") {
    const auto body = [] {
        return tasks_of_steps(2, 4);
    };
    std::vector<std::uint64_t> executions;
    for (const std::size_t bound : {0U, 1U, 2U, 20U}) {
        auto options = with(strategy::depth_first);
        options.max_deviations = bound;
        const auto tried = explore(body, options);
        executions.push_back(tried.executions);
        CHECK(tried.exhausted == (bound == 20));
    }
    CHECK(executions.front() == 1);
    // From the default order, two tasks in turns, each of its 6 decisions can be the only other
    // one.
    CHECK(executions[1] > executions[0]);
    CHECK(executions[2] > executions[1]);
    CHECK(executions[3] == 70);
}

TEST_CASE("what an execution is judged by is what run_test judges by", "[explore]") {
    const auto first_message = [](const auto& result) {
        std::string text;
        for (const auto& failure : result.failures) {
            text += std::string(to_string(failure.kind)) + ": " + failure.message + "\n";
        }
        return text;
    };
    using body = coro<> (*)();
    for (const body each : {&lost_update, &leak, &throw_in_a_task, &throw_at_once,
                            &throw_in_a_callback, &be_cancelled, &stop_the_loop, &wait_for_ever}) {
        const auto where = coroscope::await_site::current();
        const auto once = run_test(each, {}, where);
        const auto tried = explore(each, with(strategy::default_order), where);
        REQUIRE_FALSE(once.ok());
        REQUIRE_FALSE(tried.ok());
        CHECK(first_message(tried.failure->result) == first_message(once));
    }
}

TEST_CASE("a task that polls for another is no runaway, but forbids a proof", "[explore]") {
    auto options = with(strategy::depth_first, 50);
    options.max_steps = 20;
    const auto tried = explore(wait_by_polling, options);
    CHECK(tried.ok());
    CHECK(tried.coverage.cut > 0);
    CHECK_FALSE(tried.exhausted);
    const auto never = explore(poll_for_ever, options);
    REQUIRE_FALSE(never.ok());
    CHECK(never.failure->result.failures.at(0).kind == failure_kind::runaway);
}

namespace {

/// Sees whether everything is as on a new loop, and then makes a mess.
coro<> expect_new_and_soil(int what) {
    auto& test = this_test();
    const bool is_new = test.clock().elapsed() == 0s && test.clock().autojump()
                        && test.clock().now() == coroscope::time_point()
                        && test.loop().pending_deadlines().empty()
                        && coroscope::current_task().id() == 1
                        && coroscope::all_tasks(test.loop()).size() == 1 && !test.loop().debug();
    if (!is_new) { throw std::runtime_error("something is left of the last execution"); }
    co_await coroscope::sleep_for(1h);
    switch (what) {
    case 0: test.clock().set_autojump(false); break;
    case 1: test.loop().call_later(1h, [] {}); break;
    case 2: test.loop().set_debug(true); break;
    case 3: static_cast<void>(test.loop().io_context()); break;
    case 4: coroscope::testkit::background(wait_for_ever()); break;
    case 5: test.loop().set_task_factory(coroscope::eager_task_factory); break;
    case 6: test.loop().set_exception_handler([](auto&, const auto&) {}); break;
    case 7: test.loop().call_soon([] {}); break;
    default: break;
    }
}

}  // namespace

TEST_CASE("an execution notices nothing of those before it", "[explore]") {
    for (int what = 0; what <= 8; ++what) {
        CAPTURE(what);
        const auto body = [what] {
            return expect_new_and_soil(what);
        };
        const auto tried = explore(body, with(strategy::random_walk, 5));
        CAPTURE(to_string(tried));
        CHECK(tried.ok());
        CHECK(tried.executions == 5);
    }
}

TEST_CASE("an exception handler that an execution sets hides nothing of the next", "[explore]") {
    int calls = 0;
    const auto hide = []() -> coro<> {
        this_test().loop().set_exception_handler([](auto&, const auto&) {});
        co_return;
    };
    const auto body = [&] {
        return ++calls == 1 ? hide() : throw_in_a_callback();
    };
    auto options = with(strategy::random_walk, 5);
    options.checked_executions = 0;
    const auto found = explore(body, options);
    REQUIRE_FALSE(found.ok());
    CHECK(found.failure->number == 2);
}

TEST_CASE("an exploration says how much it has seen", "[explore]") {
    const auto body = [] {
        return tasks_of_steps(2, 2);
    };
    const auto tried = explore(body, with(strategy::depth_first));
    CHECK(tried.executions == 6);
    CHECK(tried.coverage.steps == 6 * 6);  // the body's two, two of each task
    // aabb and bbaa are decided early: 2 decisions; the other four orders take 3.
    CHECK(tried.coverage.decisions_min == 2);
    CHECK(tried.coverage.decisions_max == 3);
    CHECK(tried.coverage.decisions_mean == Approx((2 * 2 + 4 * 3) / 6.0));
    CHECK(to_string(tried)
          == "ok: 6 executions, 6 of them different, decisions 2 to 3 (mean 2.66667); every order "
             "was tried; seed: 7");
}

TEST_CASE("a body that is not the same each time is told where it differs", "[explore]") {
    int calls = 0;
    const auto body = [&] {
        return tasks_of_steps(2, ++calls);
    };
    const auto found = explore(body, with(strategy::portfolio));
    REQUIRE_FALSE(found.ok());
    const auto& failure = found.failure->result.failures.at(0);
    CHECK(failure.kind == failure_kind::nondeterminism);
    CHECK(failure.message.find("differ at step") != std::string::npos);
    CHECK(failure.message.find("once task 0") != std::string::npos);
    auto unchecked = with(strategy::default_order);
    unchecked.checked_executions = 0;
    CHECK(explore(body, unchecked).ok());
}

TEST_CASE("a schedule that has become impossible says from which step on", "[explore]") {
    const auto body = [] {
        return tasks_of_steps(3, 3);
    };
    CHECK(replay(body, "co1:1:2=0.1,3=0.2").ok());
    const auto expect = [&](const char* schedule, const char* message) {
        const auto result = replay(body, schedule);
        REQUIRE_FALSE(result.ok());
        CHECK(result.failures[0].kind == failure_kind::schedule);
        CHECK(result.failures[0].message == message);
    };
    expect("co1:1:2=0.9",
           "schedule no longer valid at step 2: task 0.9 is not ready; ready are 0.1, 0.2, 0.0");
    expect("co1:1:0=0.1", "schedule no longer valid at step 0: only task 0 is ready, and not 0.1");
    expect("co1:1:99=0.1",
           "schedule no longer valid at step 99: the test has ended before it, at step 11");
    expect("co1:1:3f0", "schedule no longer valid at step 3: it reaches fewer fault points");
    CHECK_THROWS_AS(replay(body, "co1:"), std::invalid_argument);
}

TEST_CASE("shards and workers share the interleavings, and together try all",
          "[explore][threads]") {
    const auto body = [] {
        return tasks_of_steps(3, 3);
    };
    auto options = with(strategy::depth_first, 100'000);
    std::uint64_t executions = 0;
    for (const auto* text : {"1/3", "2/3", "3/3"}) {
        options.shard = shard::parse(text);
        const auto tried = explore(body, options);
        CHECK(tried.exhausted);
        CHECK(tried.executions < 1680);
        executions += tried.executions;
    }
    CHECK(executions >= 1680);

    options.shard = {};
    options.workers = 3;
    const auto together = explore(body, options);
    CHECK(together.exhausted);
    CHECK(together.coverage.distinct_schedules == 1680);

    auto random = with(strategy::random_walk, 1000);
    random.workers = 3;
    CHECK(explore(body, random).executions == 1000);
    random.strategy = strategy::portfolio;
    CHECK_FALSE(explore(order_violation, random).ok());
}

TEST_CASE("an exception that surfaces between two executions fails the exploration", "[explore]") {
    auto fails = []() -> coro<> {
        throw std::runtime_error("left to others");
        co_return;
    };
    std::optional<coroscope::task<>> kept;
    const auto leave = [&](bool opens_io) {
        return [&, opens_io] {
            if (opens_io) { static_cast<void>(this_test().loop().io_context()); }
            kept = this_test().loop().create_task(fails());
            return one_step();
        };
    };
    auto options = with(strategy::random_walk, 5);
    options.checked_executions = 0;
    options.progress_interval = 0s;
    options.on_progress = [&kept](const exploration_progress&) {
        kept.reset();
    };
    // With I/O, the loop of the execution is gone by then; without, it is the next one's, too.
    for (const bool opens_io : {true, false}) {
        const auto found = explore(leave(opens_io), options);
        REQUIRE_FALSE(found.ok());
        CHECK(found.executions == 1);
        const auto& failures = found.failure->result.failures;
        INFO(to_string(found));
        REQUIRE(failures.size() == 1);
        CHECK(failures[0].kind == failure_kind::between_tests);
        CHECK(failures[0].message.find("left to others") != std::string::npos);
        CHECK(run_test(one_step).ok());
    }
}

TEST_CASE("a test that sets a schedule policy itself cannot be explored", "[explore]") {
    class first_first final : public coroscope::schedule_policy {
    public:
        [[nodiscard]] std::size_t pick(std::span<const choice>) override { return 0; }
    };
    first_first own;
    for (auto* const policy : {&own, static_cast<first_first*>(nullptr)}) {
        const auto body = [policy] {
            this_test().loop().set_schedule_policy(policy);
            return one_step();
        };
        const auto found = explore(body, with(strategy::random_walk, 5));
        REQUIRE_FALSE(found.ok());
        CHECK(found.executions == 1);
        CHECK(found.failure->result.failures[0].kind == failure_kind::schedule);
        CHECK(found.failure->message.find("use run_test") != std::string::npos);
        CHECK(run_test(body).ok());
    }
}

TEST_CASE("progress is told, and budgets end an exploration", "[explore]") {
    const auto body = [] {
        return tasks_of_steps(3, 4);
    };
    auto options = with(strategy::random_walk, 5);
    options.progress_interval = 0s;
    std::vector<std::uint64_t> told;
    options.on_progress = [&](const exploration_progress& p) {
        told.push_back(p.executions);
    };
    CHECK(explore(body, options).executions == 5);
    CHECK(told == std::vector<std::uint64_t>{1, 2, 3, 4, 5});
    options.time_budget = 0s;
    const auto none = explore(body, options);
    CHECK(none.executions == 0);
    CHECK(none.ok());
    CHECK_FALSE(none.exhausted);
}

TEST_CASE("options and names that make no sense are refused", "[explore]") {
    for (const auto* text : {"", "1", "0/3", "4/3", "1/3x", "a/b"}) {
        CHECK_THROWS_AS(shard::parse(text), std::invalid_argument);
    }
    CHECK(coroscope::testkit::parse_strategy("pct-3") == strategy::pct_3);
    CHECK_THROWS_AS(coroscope::testkit::parse_strategy("pct-4"), std::invalid_argument);
    auto no_workers = explore_options();
    no_workers.workers = 0;
    CHECK_THROWS_AS(explore(throw_at_once, no_workers), std::invalid_argument);
    auto slow = explore_options();
    slow.test.fail_on = {"slow-step"};
    CHECK_THROWS_AS(explore(throw_at_once, slow), std::invalid_argument);
    const auto inside = []() -> coro<> {
        static_cast<void>(explore(throw_at_once));
        co_return;
    };
    CHECK_FALSE(run_test(inside).ok());
}
