// SPDX-License-Identifier: Apache-2.0
// What a detector says of tasks that wait for ever.
#include <coroscope/instrumentation/races/race_detector.hpp>

#include <coroscope/runtime/condition.hpp>
#include <coroscope/runtime/event.hpp>
#include <coroscope/runtime/mutex.hpp>
#include <coroscope/runtime/semaphore.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "instrumentation/linted_loop.hpp"
#include "instrumentation/races/raced_loop.hpp"
#include "instrumentation/races/waiting_tasks.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <string>

using namespace coroscope;
using namespace coroscope::instrumentation;
using namespace std::chrono_literals;

namespace {

coro<> pulse(event& e) {
    e.set();
    e.clear();
    co_return;
}

coro<> wait_for_pulse(event& e) {
    co_await sleep_for(1s);
    co_await e.wait();
}

}  // namespace

TEST_CASE("a signal that came before the wait is a lost wake-up") {
    condition c;  // outlive the tasks that wait
    event e;
    raced_loop v;
    SECTION("of a condition") {
        v.start(notify(c), "signaller");
        v.start(wait_blindly(c), "waiter");
    }
    SECTION("of an event that was cleared") {
        v.start(pulse(e), "signaller");
        v.start(wait_for_pulse(e), "waiter");
    }
    v.run();
    CHECK(v.rules().empty());
    v.races.note_hang();
    REQUIRE(v.rules() == rule_list{"lost-wakeup", "all-blocked"});
    const auto found = v.races.findings()[0];
    CHECK(found.verdict == report::verdict::confirmed);
    CHECK(found.message.find("(waiter) waits for ever") != std::string::npos);
    CHECK(found.message.find("(signaller) had given it") != std::string::npos);
}

TEST_CASE("a signal that nobody gave is not lost") {
    condition c;
    raced_loop v;
    v.start(wait_blindly(c), "waiter");
    v.run();
    v.races.note_hang();
    CHECK(v.rules() == rule_list{"all-blocked"});
}

TEST_CASE("a deadlock is told when its last task waits") {
    mutex a;  // outlives the tasks that still hold it
    mutex b;
    raced_loop v;
    v.start(lock_two(a, b), "one");
    v.start(lock_two(b, a), "two");
    v.run();
    auto rules = v.rules();
    std::ranges::sort(rules);
    REQUIRE(rules == rule_list{"lock-cycle", "lock-order"});
    const auto told = [&v] {
        const auto all = v.races.findings();
        return *std::ranges::find(all, "lock-cycle", &report::finding::rule);
    };
    const auto found = told();
    CHECK(found.verdict == report::verdict::predicted);
    CHECK(without_lines(found.message)
          == "task 1 (one) waits for mutex 2, which task 2 holds, at "
             "waiting_tasks.hpp:LINE in lock_two; task 2 (two) waits for mutex 1, which task 1 "
             "holds, at waiting_tasks.hpp:LINE in lock_two: each waits for the next, and none "
             "can go on. Take the locks in one order everywhere, and await no task that needs a lock "
             "that is held.");
    v.races.note_hang();
    CHECK(told().verdict == report::verdict::confirmed);
    CHECK(told().message == found.message);
    CHECK(told().fingerprint == found.fingerprint);
}

TEST_CASE("a mutex that a task holds already is a self-lock, told at once") {
    mutex m;
    raced_loop v;
    v.start(lock_twice(m), "one");
    v.run();
    REQUIRE(v.rules() == rule_list{"self-lock"});
    const auto found = v.races.findings()[0];
    CHECK(found.verdict == report::verdict::confirmed);
    CHECK(without_lines(found.message)
          == "task 1 (one) waits for mutex 1, which task 1 holds, at waiting_tasks.hpp:LINE in "
             "lock_twice: it is not given back before this wait has ended, so that it never is. "
             "Unlock it first, or leave to the one that holds it what it is needed for.");
}

TEST_CASE("so is one that is lent to who asks for it, told at once and confirmed at the hang") {
    mutex m;
    raced_loop v;
    v.start(lend(m), "lender");
    v.run();
    REQUIRE(v.rules() == rule_list{"self-lock"});
    const auto at_once = v.races.findings()[0];
    CHECK(at_once.verdict == report::verdict::predicted);
    v.races.note_hang();
    const auto found = v.races.findings();
    const auto known = std::ranges::find(found, at_once.fingerprint, &report::finding::fingerprint);
    REQUIRE(known != found.end());
    CHECK(known->verdict == report::verdict::confirmed);
    CHECK(without_lines(known->message)
          == "task 3 (child) waits for mutex 1, which task 1 holds, at waiting_tasks.hpp:LINE in "
             "lock_one; task 1 (lender) waits for task 3 at waiting_tasks.hpp:LINE in lend: it is not "
             "given back before this wait has ended, so that it never is. Unlock it first, or "
             "leave to the one that holds it what it is needed for.");
}

TEST_CASE("a mutex that is given back before, or only tried, locks nobody out") {
    mutex m;
    raced_loop v;
    auto unlock_first = [](mutex& of) -> coro<> {
        auto held = co_await of.scoped();
        auto child = get_running_loop().create_task(lock_one(of), "child");
        co_await yield_now();
        held.unlock();
        co_await child;
    };
    auto try_it = [](mutex& of) -> coro<> {
        const auto held = co_await of.scoped();
        CHECK_FALSE(of.try_lock());
    };
    v.start(unlock_first(m), "one");
    v.start(try_it(m), "two");
    v.run();
    v.races.note_hang();
    CHECK(v.rules().empty());
}

TEST_CASE("nor does another one that the awaiting task holds") {
    mutex wanted;
    mutex kept;
    raced_loop v;
    auto hold = [](mutex& of) -> coro<> {
        const auto held = co_await of.scoped();
        co_await yield_now();
        co_await yield_now();
        co_await yield_now();
    };
    auto await_child = [](mutex& own, mutex& of) -> coro<> {
        const auto held = co_await own.scoped();
        auto child = get_running_loop().create_task(lock_one(of), "child");
        co_await child;
    };
    v.start(hold(wanted), "holder");
    v.start(await_child(kept, wanted), "parent");
    v.run();
    v.races.note_hang();
    CHECK(v.rules().empty());
}

TEST_CASE("nor does a permit, which others may give") {
    semaphore permits(1);
    raced_loop v;
    auto take = [](semaphore& of) -> coro<> {
        co_await of.acquire();
    };
    auto lend_permit = [](semaphore& of, auto work) -> coro<> {
        co_await of.acquire();
        auto child = get_running_loop().create_task(work(of), "child");
        co_await child;
    };
    auto give = [](semaphore& of) -> coro<> {
        co_await yield_now();
        co_await yield_now();
        of.release();
    };
    v.start(lend_permit(permits, take), "lender");
    v.start(give(permits), "giver");
    v.run();
    CHECK(v.failure.empty());
    CHECK(v.rules().empty());
}
