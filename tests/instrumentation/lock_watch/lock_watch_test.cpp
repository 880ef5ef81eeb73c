// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/lock_watch.hpp>

#include <coroscope/runtime/mutex.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "instrumentation/linted_loop.hpp"
#include "support/catch.hpp"

#include <mutex>
#include <string>

using namespace coroscope;
using namespace coroscope::instrumentation;
using namespace std::chrono_literals;

namespace {

coro<> hold_across(std::mutex& m) {
    const std::lock_guard held(m);
    co_await sleep_for(1s);
}

coro<> hold_between(std::mutex& m) {
    for (int i = 0; i < 3; ++i) {
        { const std::lock_guard held(m); }
        co_await sleep_for(1s);
    }
}

coro<> hold_ours_across(coroscope::mutex& m) {
    const auto held = co_await m.scoped();
    co_await sleep_for(1s);
}

coro<> count_under(std::recursive_mutex& m, int& counted) {
    const std::lock_guard held(m);
    ++counted;
    co_return;
}

coro<> hold_recursive_across(std::recursive_mutex& m, int& counted) {
    m.lock();
    co_await sleep_for(1s);
    co_await count_under(m, counted);
    m.unlock();
}

coro<> lock_in_step(std::mutex& m) {
    m.lock();
    co_await yield_now();
}

}  // namespace

TEST_CASE("a std::mutex that is held across a co_await is found at that co_await") {
    watch_locks();
    linted_loop w;
    std::mutex m;
    w.loop.run_until_complete(w.loop.create_task(hold_across(m), "holder"));
    REQUIRE(w.rules() == rule_list{"mutex-across-suspension"});
    const auto found = w.lints.findings()[0];
    CHECK(found.severity == report::severity::error);
    CHECK(found.where.function.ends_with("hold_across"));
    CHECK(without_lines(found.message)
          == "task 1 (holder) held a lock of its thread (a std::mutex, say) across the co_await at "
             "lock_watch_test.cpp:LINE in hold_across: it was taken in a step before. Another task "
             "of this loop that wants it blocks the loop, and with it the one that could unlock it. "
             "Unlock it before the co_await, or use a coroscope::mutex.");
}

TEST_CASE("a lock that is taken once more by a later step is found before it blocks") {
    watch_locks();
    linted_loop w;
    std::recursive_mutex m;  // so that the test does not hang
    int counted = 0;
    w.loop.run_until_complete(hold_recursive_across(m, counted));
    CHECK(counted == 1);
    REQUIRE(w.rules() == rule_list{"mutex-across-suspension"});
    CHECK(w.lints.findings()[0].evidence.back().text.ends_with(" times"));
}

TEST_CASE("a lock that a callback gives back for a task was held across the end of a step") {
    watch_locks();
    linted_loop w;
    std::mutex m;
    w.loop.run_until_complete(lock_in_step(m));
    w.loop.call_soon([&m] { m.unlock(); });
    w.loop.run_forever();
    CHECK(w.rules() == rule_list{"mutex-across-suspension"});
}

TEST_CASE("locks that are given back in the step that took them are fine, and ours across any") {
    watch_locks();
    linted_loop w;
    std::mutex m;
    coroscope::mutex ours;
    w.loop.run_until_complete(hold_between(m));
    w.loop.run_until_complete(hold_ours_across(ours));
    w.loop.call_soon([&m] { const std::lock_guard held(m); });
    w.loop.run_forever();
    {
        const std::lock_guard around_the_run(m);
        w.loop.run_until_complete(hold_ours_across(ours));
    }
    CHECK(w.rules().empty());
}

TEST_CASE("a lock that is held when its loop ends is nobody's finding") {
    watch_locks();
    std::mutex m;
    {
        linted_loop w;
        w.loop.run_until_complete(lock_in_step(m));
        CHECK(w.rules().empty());
    }
    m.unlock();
}
