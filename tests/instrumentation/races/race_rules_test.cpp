// SPDX-License-Identifier: Apache-2.0
// Whatever the rule, a finding has all that is needed to understand it: a program for each of them.
#include <coroscope/instrumentation/races/race_rules.hpp>

#include <coroscope/instrumentation/races.hpp>
#include <coroscope/runtime/condition.hpp>
#include <coroscope/runtime/executor.hpp>
#include <coroscope/runtime/mutex.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "instrumentation/races/finding_parser.hpp"
#include "instrumentation/races/raced_loop.hpp"
#include "instrumentation/races/waiting_tasks.hpp"
#include "support/catch.hpp"

#include <latch>
#include <set>
#include <string>
#include <utility>
#include <vector>

using namespace coroscope;
using namespace coroscope::instrumentation;
using namespace std::chrono_literals;

namespace {

using number = shared<int>;
using file = watched<std::string>;

/// What all of them found.
struct sampled {
    void add(raced_loop& from) {
        for (auto& each : from.races.findings()) {
            found.push_back(std::move(each));
        }
    }
    std::vector<report::finding> found;
};

// --- Variables

coro<> add_stale(number& x) {
    const auto before = x.get();
    co_await yield_now();
    x.set(before + 1);
}

coro<> fill_if_empty(number& x) {
    if (x.get() == 0) {
        co_await yield_now();
        x.set(42);
    }
}

coro<> read_twice(number& x) {
    const int first = x.get();
    co_await yield_now();
    const int second = x.get();
    static_cast<void>(first + second);
}

coro<> set_one(number& x) {
    x.set(1);
    co_return;
}

coro<> move_one(number& from, number& to) {
    from.update([](int& value) { --value; });
    co_await yield_now();
    to.update([](int& value) { ++value; });
}

coro<> add_up(number& a, number& b, int& sum) {
    sum = a.get() + b.get();
    co_return;
}

void sample_variables(sampled& into) {
    raced_loop v;
    number balance(0, "balance");
    v.start(add_stale(balance), "one");
    v.start(add_stale(balance), "two");
    number cache(0);
    v.start(fill_if_empty(cache), "three");
    v.start(fill_if_empty(cache), "four");
    number level(0, "level");
    v.start(read_twice(level), "five");
    v.start(set_one(level), "six");
    number a(1, "a");
    number b(0, "b");
    const invariant_group sums("sums", a, b);
    int sum = 0;
    v.start(move_one(a, b), "seven");
    v.start(add_up(a, b, sum), "eight");
    v.run();
    into.add(v);
}

/// What the tests' threads do is in order, by means that the detector does not know.
void sample_threads(sampled& into) {
    raced_loop v;
    v.v.clock.waits_for_others = true;
    thread_pool_executor pool(2);
    number x(0, "x");
    std::latch written(1);
    auto body = [](executor& in, number& value, std::latch& done) -> coro<> {
        auto first = get_running_loop().run_in_executor(in, [&] {
            value.set(1);
            done.count_down();
        });
        auto second = get_running_loop().run_in_executor(in, [&] {
            done.wait();
            value.set(2);
        });
        co_await first;
        co_await second;
    };
    v.start(body(pool, x, written), "main");
    v.run();
    into.add(v);
}

// --- Lives and contracts

coro<> use_after(file& f, duration when) {
    co_await sleep_for(when);
    static_cast<void>(f.use());
}

using end_function = void (*)(file&);

coro<> end_after(file& f, duration when, end_function end) {
    co_await sleep_for(when);
    end(f);
}

void sample_end(sampled& into, end_function end) {
    for (const auto when : {duration(1s), duration(3s)}) {
        raced_loop v;
        file f("log");
        f.open("text");
        v.start(use_after(f, 2s), "user");
        v.start(end_after(f, when, end), "closer");
        v.run();
        into.add(v);
    }
}

void sample_beginnings(sampled& into) {
    raced_loop v;
    file f("log");
    auto open = [](file& of) -> coro<> {
        of.open("text");
        co_return;
    };
    v.start(open(f), "opener");
    v.start(use_after(f, 1s), "user");
    file never("never");
    v.start(use_after(never, 1s), "early");
    v.run();
    into.add(v);
}

coro<> take(single_task<int>& value) {
    ++value.get();
    co_return;
}

coro<> go_through(container_guard& of) {
    const auto reading = of.iterate();
    co_await sleep_for(2s);
}

coro<> change(container_guard& of) {
    co_await sleep_for(1s);
    of.modify();
}

coro<> apply(latest_wins& to, std::uint64_t sequence, duration when) {
    co_await sleep_for(when);
    to.applied(sequence);
}

void sample_contracts(sampled& into) {
    raced_loop v;
    single_task<int> owned(0, "owned");
    v.start(take(owned), "one");
    v.start(take(owned), "two");
    container_guard clients("clients");
    v.start(go_through(clients), "three");
    v.start(change(clients), "four");
    latest_wins results("results");
    v.start(apply(results, 2, 1s), "five");
    v.start(apply(results, 1, 2s), "six");
    v.run();
    into.add(v);
}

// --- Waits

void sample_locks(sampled& into) {
    mutex a;  // outlive the tasks that still hold them
    mutex b;
    mutex c;
    mutex d;
    raced_loop v;
    v.start(lock_twice(c), "self");
    v.start(lend(d), "lender");
    v.start(lock_two(a, b), "one");
    v.start(lock_two(b, a), "two");
    v.run();
    v.races.note_hang();
    into.add(v);
}

coro<> await_next(std::vector<task<>>& tasks, std::size_t next) {
    co_await yield_now();
    co_await tasks[next];
}

void sample_waits(sampled& into) {
    condition c;  // outlives the tasks that wait
    raced_loop v;
    v.start(notify(c), "signaller");
    v.start(wait_blindly(c), "waiter");
    v.start(await_next(v.tasks, 3), "one");
    v.start(await_next(v.tasks, 2), "two");
    v.run();
    v.races.note_hang();
    into.add(v);
    v.tasks[2].cancel();
    v.run();
}

void sample_starvation(sampled& into) {
    race_options options;
    options.starved_after = 5;
    raced_loop v(options);
    mutex m;
    v.start(hold_often(m, 20), "one");
    v.start(hold_often(m, 20), "two");
    v.start(try_often(m, 20), "starved");
    v.run();
    into.add(v);
}

/// As an exploration tells of them.
void sample_reversals(sampled& into) {
    constexpr auto here = await_site::current();
    failed_reversal seen;
    for (auto* side : {&seen.earlier, &seen.later}) {
        side->created = creation_origin(here);
        side->resumed_at = here;
    }
    seen.earlier.who = {2, true};
    seen.later.who = {3, true};
    seen.holds = {{seen.earlier.who, 1, seen.later.who, 1}};
    into.found.push_back(describe(seen));
    seen.earlier.what = seen.later.what = seen_use::thing::object;
    into.found.push_back(describe(seen));
}

[[nodiscard]] sampled sample_all() {
    sampled all;
    sample_variables(all);
    sample_threads(all);
    sample_end(all, [](file& of) { of.close(); });
    sample_end(all, [](file& of) { static_cast<void>(of.take()); });
    sample_end(all, [](file& of) { of.destroy(); });
    sample_beginnings(all);
    sample_contracts(all);
    sample_locks(all);
    sample_waits(all);
    sample_starvation(all);
    sample_reversals(all);
    return all;
}

}  // namespace

TEST_CASE("each finding has both tasks, both stacks, the awaits, the name, the order and how",
          "[threads]") {
    const auto all = sample_all();
    std::set<std::string> rules;
    for (const auto& found : all.found) {
        rules.insert(found.rule);
        INFO(found.message);
        CHECK(finding_parser(found).missing() == std::vector<std::string>());
    }
    std::set<std::string> known;
    for (const auto rule : race_rules()) {
        known.emplace(rule);
    }
    CHECK(rules == known);
}

TEST_CASE("a finding that lacks something is told by what it lacks") {
    sampled some;
    sample_locks(some);
    auto found = some.found.front();
    REQUIRE(finding_parser(found).missing().empty());
    std::erase_if(found.evidence, [](const auto& item) { return item.label == "replay"; });
    CHECK(finding_parser(found).missing()
          == std::vector<std::string>{found.rule + ": a schedule or how to replay it"});
    found.rule = "unheard-of";
    CHECK_FALSE(finding_parser(found).missing().empty());
    CHECK_FALSE(is_race_rule(found.rule));
}

TEST_CASE("a suppression of a rule that there is not is refused") {
    race_options options;
    options.suppressions.push_back({.reason = "a slip", .rule = "stale-rite"});
    CHECK_THROWS_WITH(race_detector(options),
                      Catch::Contains("stale-rite") && Catch::Contains("stale-write, "));
}
