// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/condition.hpp>

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "runtime/settling.hpp"
#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <optional>
#include <string>
#include <utility>

using coroscope::cancelled_error;
using coroscope::condition;
using coroscope::coro;
using coroscope::invalid_state_error;
using coroscope::mutex;
using namespace std::chrono_literals;

namespace {

/// Waits once; notes a small letter when notified, the capital one when cancelled; always with the
/// mutex held.
coro<> wait_once(condition& c, std::string& log, char letter) {
    const auto lock = co_await c.scoped();
    try {
        co_await c.wait();
        log += letter;
    } catch (const cancelled_error&) {
        log += static_cast<char>(letter - 'a' + 'A');
        CHECK(c.used_mutex().locked_by_current());
        throw;
    }
    CHECK(c.used_mutex().locked_by_current());
}

coro<> notify(condition& c, std::size_t n) {
    const auto lock = co_await c.scoped();
    c.notify(n);
}

}  // namespace

TEST_CASE("notify lets as many go on as it is told to, the longest waiting first", "[sync]") {
    condition c;
    virtual_loop v;  // ends first: tasks may still wait
    std::string log;
    for (const char letter : {'a', 'b', 'c', 'd'}) {
        v.loop.create_task(wait_once(c, log, letter));
    }
    settle(v.loop);
    CHECK_FALSE(c.locked());
    v.loop.create_task(notify(c, 1));
    settle(v.loop);
    CHECK(log == "a");
    v.loop.create_task(notify(c, 2));
    settle(v.loop);
    CHECK(log == "abc");
    v.loop.create_task(notify(c, 0));
    settle(v.loop);
    CHECK(log == "abc");
    v.loop.create_task(notify(c, 5));
    settle(v.loop);
    CHECK(log == "abcd");
    CHECK_FALSE(c.locked());
    v.loop.create_task(notify(c, 1));  // of nobody: is not kept for later
    v.loop.create_task(wait_once(c, log, 'e'));
    settle(v.loop);
    CHECK(log == "abcd");
}

TEST_CASE("those who are notified go on one after the other, when the mutex is free", "[sync]") {
    condition c;
    virtual_loop v;
    std::string log;
    auto slow = [](condition& x, std::string& to, char letter) -> coro<> {
        const auto lock = co_await x.scoped();
        co_await x.wait();
        to += letter;
        co_await coroscope::sleep_for(1s);
    };
    v.loop.create_task(slow(c, log, 'a'));
    auto last = v.loop.create_task(slow(c, log, 'b'));
    settle(v.loop);
    auto notifier = [](condition& x, std::string& to) -> coro<> {
        const auto lock = co_await x.scoped();
        x.notify_all();
        co_await coroscope::sleep_for(2s);
        to += 'n';
    };
    v.loop.create_task(notifier(c, log));
    v.loop.run_until_complete(last);
    CHECK(log == "nab");
    CHECK(v.clock.elapsed() == 4s);
}

TEST_CASE("wait_for tests its predicate at once and after each notification", "[sync]") {
    condition c;
    virtual_loop v;
    int value = 0;
    int tests = 0;
    auto waiting = [](condition& x, int& current, int& count) -> coro<int> {
        const auto lock = co_await x.scoped();
        const auto is_three = [&] {
            ++count;
            return current >= 3 ? current : 0;
        };
        const int got = co_await x.wait_for(is_three);
        CHECK(x.used_mutex().locked_by_current());
        const int again = co_await x.wait_for(is_three);
        CHECK(again == got);
        co_return got;
    };
    auto counting = [](condition& x, int& current) -> coro<> {
        for (int i = 0; i < 5; ++i) {
            co_await coroscope::sleep_for(1s);
            const auto lock = co_await x.scoped();
            ++current;
            x.notify();
        }
    };
    v.loop.create_task(counting(c, value));
    CHECK(v.loop.run_until_complete(waiting(c, value, tests)) == 3);
    CHECK(v.clock.elapsed() == 3s);
    CHECK(tests == 5);  // at entry, three notifications, at the second entry
}

TEST_CASE("what the predicate throws leaves wait_for with the mutex held", "[sync]") {
    condition c;
    virtual_loop v;
    auto body = [](condition& x) -> coro<> {
        const auto lock = co_await x.scoped();
        const auto bad = []() -> bool {
            throw std::runtime_error("predicate");
        };
        try {
            co_await x.wait_for(bad);
        } catch (const std::runtime_error&) { CHECK(x.used_mutex().locked_by_current()); }
    };
    v.loop.run_until_complete(body(c));
    CHECK_FALSE(c.locked());
}

TEST_CASE("waiting and notifying need the mutex, and say who holds it instead", "[sync]") {
    condition c;
    virtual_loop v;
    auto wait = [](condition& x) -> coro<> {
        co_await x.wait();
    };
    auto wait_for = [](condition& x) -> coro<> {
        const auto yes = [] {
            return true;
        };
        co_await x.wait_for(yes);
    };
    const auto first = v.loop.create_task(wait(c));
    const auto second = v.loop.create_task(wait_for(c));
    settle(v.loop);
    CHECK_THROWS_AS(first.result(), invalid_state_error);
    CHECK(failure_of(first).find("nobody holds it") != std::string::npos);
    CHECK(failure_of(second).find("condition::wait_for was called at ") == 0);
    CHECK_THROWS_WITH(c.notify(), Catch::Contains("condition_test.cpp:")
                                      && Catch::Contains("no task")
                                      && Catch::Contains("co_await c.scoped()"));
    CHECK_THROWS_AS(c.notify_all(), invalid_state_error);

    auto holder = [](condition& x) -> coro<> {
        const auto lock = co_await x.scoped();
        co_await coroscope::sleep_for(1h);
    };
    const auto holding = v.loop.create_task(holder(c));
    const auto third = v.loop.create_task(wait(c));
    settle(v.loop);
    CHECK(failure_of(third).find("task " + std::to_string(holding.id()) + " holds it since")
          != std::string::npos);
}

TEST_CASE("several conditions share one mutex, and each notifies its own waiters", "[sync]") {
    virtual_loop v;
    mutex m;
    condition one(m);
    condition two(m);
    CHECK(&one.used_mutex() == &m);
    std::string log;
    v.loop.create_task(wait_once(one, log, 'a'));
    v.loop.create_task(wait_once(two, log, 'b'));
    settle(v.loop);
    v.loop.create_task(notify(two, 9));
    settle(v.loop);
    CHECK(log == "b");
    v.loop.create_task(notify(one, 9));
    settle(v.loop);
    CHECK(log == "ba");
}

TEST_CASE("a cancelled wait locks the mutex again before it throws", "[sync]") {
    condition c;
    virtual_loop v;
    std::string log;
    auto waiting = v.loop.create_task(wait_once(c, log, 'a'));
    settle(v.loop);
    const bool is_held = GENERATE(true, false);
    if (is_held) { CHECK(c.try_lock()); }
    waiting.cancel("enough");
    settle(v.loop);
    CHECK(waiting.done() != is_held);
    if (is_held) {
        waiting.cancel("enough");  // again, which changes nothing
        settle(v.loop);
        CHECK_FALSE(waiting.done());
        c.unlock();
        settle(v.loop);
    }
    CHECK(waiting.cancelled());
    CHECK(failure_of(waiting) == "enough");
    CHECK(log == "A");
    CHECK_FALSE(c.locked());
}

TEST_CASE("a cancellation while locking again is not lost, and the notification goes to the next",
          "[sync]") {
    condition c;
    virtual_loop v;
    std::string log;
    auto first = v.loop.create_task(wait_once(c, log, 'a'));
    v.loop.create_task(wait_once(c, log, 'b'));
    v.loop.create_task(wait_once(c, log, 'c'));
    settle(v.loop);
    CHECK(c.try_lock());
    v.loop.call_soon([&] { c.notify(); });
    v.loop.call_soon([&] { first.cancel(); });
    settle(v.loop);
    CHECK(log.empty());
    c.unlock();
    settle(v.loop);
    CHECK(first.cancelled());
    CHECK(log == "Ab");
    CHECK_FALSE(c.locked());
}

TEST_CASE("a cancellation after the mutex was handed over again passes both on", "[sync]") {
    condition c;
    virtual_loop v;
    std::string log;
    auto first = v.loop.create_task(wait_once(c, log, 'a'));
    v.loop.create_task(wait_once(c, log, 'b'));
    settle(v.loop);
    v.loop.call_soon([&] {
        CHECK(c.try_lock());
        c.notify();
        c.unlock();
        CHECK(c.used_mutex().owner() == first.id());
        first.cancel();
    });
    settle(v.loop);
    CHECK(first.cancelled());
    CHECK(log == "Ab");
    CHECK_FALSE(c.locked());
}

TEST_CASE("a waiter that is cancelled before it is notified takes no notification", "[sync]") {
    condition c;
    virtual_loop v;
    std::string log;
    auto first = v.loop.create_task(wait_once(c, log, 'a'));
    v.loop.create_task(wait_once(c, log, 'b'));
    v.loop.create_task(wait_once(c, log, 'c'));
    settle(v.loop);
    CHECK(c.try_lock());
    v.loop.call_soon([&] {
        first.cancel();
        c.notify();
        c.unlock();
    });
    settle(v.loop);
    CHECK(log == "Ab");
}

TEST_CASE("a cancellation asked for before the wait is thrown by it with the mutex held",
          "[sync]") {
    condition c;
    virtual_loop v;
    std::string log;
    auto body = [](condition& x, std::string& to) -> coro<> {
        const auto lock = co_await x.scoped();
        co_await coroscope::yield_now();
        coroscope::current_task().cancel();
        try {
            co_await x.wait();
        } catch (const cancelled_error&) {
            to += x.used_mutex().locked_by_current() ? "held" : "lost";
            throw;
        }
    };
    const auto t = v.loop.create_task(body(c, log));
    v.loop.create_task(then_note(c.lock(), log, '.'));  // is first: the wait unlocks all the same
    settle(v.loop);
    CHECK(log == ".");
    c.unlock();
    settle(v.loop);
    CHECK(log == ".held");
    CHECK(t.cancelled());
    CHECK_FALSE(c.locked());
}

TEST_CASE("a wait with a timeout ends as timeout_error with the mutex held", "[sync]") {
    condition c;
    virtual_loop v;
    auto body = [](condition& x) -> coro<> {
        const auto lock = co_await x.scoped();
        const auto never = [] {
            return false;
        };
        bool late = false;
        try {
            co_await coroscope::wait_for(x.wait_for(never), 2s);
        } catch (const coroscope::timeout_error&) { late = true; }
        CHECK(late);
        CHECK(x.used_mutex().locked_by_current());
    };
    v.loop.run_until_complete(body(c));
    CHECK(v.clock.elapsed() == 2s);
    CHECK_FALSE(c.locked());
}

TEST_CASE("a notification that comes with the timeout goes to the next", "[sync]") {
    condition c;
    virtual_loop v;
    std::string log;
    auto limited = [](condition& x, std::string& to) -> coro<> {
        const auto lock = co_await x.scoped();
        try {
            co_await coroscope::wait_for(x.wait(), 1s);
            to += 'a';
        } catch (const coroscope::timeout_error&) { to += 'A'; }
    };
    v.loop.call_later(1s, [&] {  // armed before the timeout is, so it comes first
        CHECK(c.try_lock());
        c.notify();
        c.unlock();
        CHECK(c.locked());
    });
    v.loop.create_task(limited(c, log));
    v.loop.create_task(wait_once(c, log, 'b'));
    settle(v.loop);
    auto later = [](std::string& to) -> coro<> {
        co_await coroscope::sleep_for(2s);
        to += '.';
    };
    auto last = v.loop.create_task(later(log));
    v.loop.run_until_complete(last);
    CHECK(log == "Ab.");
}

TEST_CASE("closing the loop gives the mutex back, whatever its waiters waited for", "[sync]") {
    mutex m;
    condition c(m);
    std::string log;
    const bool notified = GENERATE(true, false);
    {
        virtual_loop v;
        v.loop.create_task(wait_once(c, log, 'a'));
        v.loop.create_task(wait_once(c, log, 'b'));
        settle(v.loop);
        CHECK(m.try_lock());
        if (notified) {
            v.loop.call_soon([&] {
                c.unlock();
                CHECK(c.try_lock());
                c.notify_all();
                c.unlock();
            });
            v.loop.stop();
            v.loop.run_forever();
        } else {
            m.unlock();
        }
        v.loop.close();
        CHECK(v.reported.size() == 2);  // the tasks; not that their guards held nothing
    }
    CHECK_FALSE(m.locked());
}

TEST_CASE("those who wait for a condition that is destroyed are told so, with the mutex held",
          "[sync]") {
    virtual_loop v;
    mutex m;
    std::optional<condition> c(std::in_place, m);
    std::string log;
    auto body = [](condition& x, mutex& of, std::string& to) -> coro<> {
        const auto lock = co_await of.scoped();
        try {
            co_await x.wait();
        } catch (const invalid_state_error& e) {
            to = e.what();
            CHECK(of.locked_by_current());
        }
    };
    v.loop.create_task(body(*c, m, log));
    settle(v.loop);
    c.reset();
    settle(v.loop);
    CHECK(log.find("condition was destroyed while task") != std::string::npos);
    CHECK_FALSE(m.locked());
    CHECK(v.reported.empty());
}

TEST_CASE("listings tell waiting for a notification from waiting for the mutex", "[sync]") {
    condition c;
    virtual_loop v;
    std::string log;
    const auto t = v.loop.create_task(wait_once(c, log, 'a'));
    settle(v.loop);
    CHECK(t.core().record().waits_for.load() == coroscope::wait_kind::condition);
    v.loop.call_soon([&] {
        CHECK(c.try_lock());
        c.notify();
    });
    settle(v.loop);
    CHECK(t.core().record().waits_for.load() == coroscope::wait_kind::mutex);
    c.unlock();
    settle(v.loop);
    CHECK(log == "a");
}
