// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/deadlock.hpp>

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/event.hpp>
#include <coroscope/runtime/mutex.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/runtime/task.hpp>

#include "instrumentation/linted_loop.hpp"
#include "instrumentation/races/waiting_tasks.hpp"
#include "support/catch.hpp"

#include <exception>
#include <string>
#include <vector>

using namespace coroscope;
using namespace coroscope::instrumentation;
using namespace std::chrono_literals;

namespace {

/// Two wait for the lock, and it waits for both.
coro<> lend_to_two(mutex& m) {
    const auto held = co_await m.scoped();
    auto first = get_running_loop().create_task(lock_one(m), "first");
    auto second = get_running_loop().create_task(lock_one(m), "second");
    co_await gather(first, second);
}

coro<> await_other(const task<>& other) {
    co_await yield_now();
    co_await other;
}

coro<> wait_for_event(event& e) {
    co_await e.wait();
}

coro<> nap() {
    co_await sleep_for(1s);
}

[[nodiscard]] std::vector<std::string> rules_of(const std::vector<report::finding>& found) {
    std::vector<std::string> rules;
    for (const auto& each : found) {
        rules.push_back(each.rule);
    }
    return rules;
}

/// Runs until nothing can happen any more.
void run_out(virtual_loop& v) {
    v.loop.run_forever();
}

}  // namespace

TEST_CASE("locks taken in both orders are a lock cycle") {
    mutex a;  // outlives the tasks that still hold it
    mutex b;
    virtual_loop v;
    auto one = v.loop.create_task(lock_two(a, b), "one");
    auto two = v.loop.create_task(lock_two(b, a), "two");
    run_out(v);
    const auto found = find_deadlocks(v.loop, outlook::quiet);
    REQUIRE(rules_of(found) == rule_list{"lock-cycle"});
    CHECK(found[0].verdict == report::verdict::confirmed);
    CHECK(without_lines(found[0].message)
          == "task 1 (one) waits for mutex 2, which task 2 holds, at waiting_tasks.hpp:LINE in "
             "lock_two; task 2 (two) waits for mutex 1, which task 1 holds, at "
             "waiting_tasks.hpp:LINE in lock_two: each waits for the next, and none can go on. "
             "Take the locks in one order everywhere, and await no task that needs a lock that is "
             "held.");
    CHECK(found[0].evidence.size() == 8);
    CHECK(find_deadlocks(v.loop, outlook::open)[0].verdict == report::verdict::predicted);
}

TEST_CASE("who awaits those that wait for its lock locks itself out") {
    mutex m;  // outlives the tasks that wait for it
    virtual_loop v;
    auto lender = v.loop.create_task(lend_to_two(m), "lender");
    run_out(v);
    const auto found = find_deadlocks(v.loop, outlook::quiet);
    REQUIRE(rules_of(found) == rule_list{"self-lock"});
    CHECK(found[0].verdict == report::verdict::confirmed);
    CHECK(found[0].evidence[0].text.find("(first)") != std::string::npos);  // who wants the lock
    CHECK(find_deadlocks(v.loop, outlook::open)[0].verdict == report::verdict::predicted);
}

TEST_CASE("tasks that await each other are an await cycle") {
    virtual_loop v;
    task<> one;
    task<> two;
    one = v.loop.create_task(await_other(two), "one");
    two = v.loop.create_task(await_other(one), "two");
    run_out(v);
    CHECK(rules_of(find_deadlocks(v.loop, outlook::quiet)) == rule_list{"await-cycle"});
    one.cancel();
    run_out(v);
}

TEST_CASE("what waits for what nobody brings is blocked, once it is quiet") {
    event never;
    virtual_loop v;
    auto one = v.loop.create_task(wait_for_event(never), "one");
    run_out(v);
    CHECK(rules_of(find_deadlocks(v.loop, outlook::quiet)) == rule_list{"all-blocked"});
    CHECK(find_deadlocks(v.loop, outlook::open).empty());
}

TEST_CASE("tasks that will go on are no deadlock") {
    mutex a;  // outlives the tasks that still hold it
    mutex b;
    virtual_loop v;
    auto one = v.loop.create_task(lock_two(a, b), "one");
    auto two = v.loop.create_task(lock_two(a, b), "two");
    auto three = v.loop.create_task(nap(), "three");
    run_out(v);
    CHECK(one.done());
    CHECK(find_deadlocks(v.loop, outlook::quiet).empty());
}
