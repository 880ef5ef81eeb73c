// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/mutex.hpp>

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "runtime/settling.hpp"
#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using coroscope::cancelled_error;
using coroscope::coro;
using coroscope::invalid_state_error;
using coroscope::mutex;
using coroscope::scoped_lock;
using namespace std::chrono_literals;

namespace {

/// Holds the mutex for a second and notes when it has it.
coro<> use(mutex& m, std::string& log, char letter) {
    const auto lock = co_await m.scoped();
    log += letter;
    co_await coroscope::sleep_for(1s);
}

}  // namespace

TEST_CASE("a free mutex is locked without suspending, and one that is held lets nobody in",
          "[sync]") {
    virtual_loop v;
    mutex m;
    auto body = [](mutex& x, virtual_loop& in) -> coro<> {
        const auto before = in.loop.statistics().steps;
        co_await x.lock();
        CHECK(in.loop.statistics().steps == before);
        CHECK(x.locked());
        CHECK(x.locked_by_current());
        CHECK(x.owner() == coroscope::current_task().id());
        CHECK_FALSE(x.try_lock());
        x.unlock();
        CHECK_FALSE(x.locked());
        CHECK(x.owner() == 0);
        CHECK(x.try_lock());
        x.unlock();
    };
    v.loop.run_until_complete(body(m, v));
    CHECK_FALSE(m.locked());
}

TEST_CASE("tasks get the mutex in the order in which they asked, one at a time", "[sync]") {
    virtual_loop v;
    mutex m;
    std::string log;
    for (const char letter : {'a', 'b', 'c', 'd'}) {
        v.loop.create_task(use(m, log, letter));
    }
    auto last = v.loop.create_task(use(m, log, 'e'));
    v.loop.run_until_complete(last);
    CHECK(log == "abcde");
    CHECK(v.clock.elapsed() == 5s);
}

TEST_CASE("a newcomer does not overtake the task that the mutex was handed to", "[sync]") {
    virtual_loop v;
    mutex m;
    std::string log;
    CHECK(m.try_lock());
    auto waiting = v.loop.create_task(then_note(m.lock(), log, 'w'), "waiting");
    settle(v.loop);
    m.unlock();
    CHECK(m.locked());
    CHECK(m.owner() == waiting.id());
    CHECK_FALSE(m.try_lock());
    v.loop.create_task(then_note(m.lock(), log, 'n'));
    settle(v.loop);
    CHECK(log == "w");
    m.unlock();  // by none of its owners, as asyncio allows
    settle(v.loop);
    CHECK(log == "wn");
}

TEST_CASE("a guard unlocks once: at its end, when told to, or where it was moved to", "[sync]") {
    virtual_loop v;
    auto body = []() -> coro<> {
        mutex m;
        {
            auto first = co_await m.scoped();
            CHECK(first.owns_lock());
            auto second = std::move(first);
            CHECK_FALSE(first.owns_lock());  // NOLINT(bugprone-use-after-move): defined as empty
            CHECK(m.locked());
            CHECK_THROWS_WITH(first.unlock(), Catch::Contains("owns_lock()"));
        }
        CHECK_FALSE(m.locked());
        scoped_lock kept = co_await m.scoped();
        kept.unlock();
        CHECK_FALSE(m.locked());
        kept = co_await m.scoped();
        CHECK(m.locked());
        kept = scoped_lock();
        CHECK_FALSE(m.locked());
    };
    v.loop.run_until_complete(body());
    CHECK(v.reported.empty());
}

TEST_CASE("a guard whose mutex others have unlocked tells the exception handler", "[sync]") {
    virtual_loop v;
    auto body = []() -> coro<> {
        mutex m;
        const auto lock = co_await m.scoped();
        m.unlock();
    };
    v.loop.run_until_complete(v.loop.create_task(body(), "careless"));
    REQUIRE(v.reported.size() == 1);
    CHECK(v.reported[0].task_name == "careless");
    CHECK(coroscope::describe(v.reported[0].exception).find("while nobody held it")
          != std::string::npos);
}

namespace {

coro<> lock_twice(mutex& m) {
    co_await m.lock();
    co_await m.lock();
}

}  // namespace

TEST_CASE("locking twice in one task throws at once and names mutex, task and place", "[sync]") {
    virtual_loop v;
    mutex m;
    const auto t = v.loop.create_task(lock_twice(m), "eager");
    settle(v.loop);
    REQUIRE(t.done());
    const auto why = failure_of(t);
    CHECK_THROWS_AS(t.result(), invalid_state_error);
    CHECK(why.find("mutex 1 was locked at ") == 0);
    CHECK(why.find("task 1 (eager)") != std::string::npos);
    CHECK(why.find("since it locked it at ") != std::string::npos);
    CHECK(why.find("mutex_test.cpp:") != why.rfind("mutex_test.cpp:"));
    CHECK(why.find("unlock() it first") != std::string::npos);
    CHECK(m.locked());  // as it was

    std::string log;  // another task is no such case
    v.loop.create_task(then_note(m.lock(), log, 'x'));
    settle(v.loop);
    CHECK(log.empty());
    m.unlock();
    settle(v.loop);
    CHECK(log == "x");
}

TEST_CASE("unlocking what is not locked is an error that names the cure", "[sync]") {
    mutex m;
    CHECK_THROWS_AS(m.unlock(), invalid_state_error);
    CHECK_THROWS_WITH(m.unlock(), Catch::Contains("no task") && Catch::Contains("scoped()"));
    CHECK_FALSE(m.locked());
}

TEST_CASE("a task that is cancelled while it waits for a mutex does not get it", "[sync]") {
    virtual_loop v;
    mutex m;
    std::string log;
    CHECK(m.try_lock());
    auto first = v.loop.create_task(then_note(m.lock(), log, '1'));
    v.loop.create_task(then_note(m.lock(), log, '2'));
    settle(v.loop);
    first.cancel("no more");
    m.unlock();
    settle(v.loop);
    CHECK(first.cancelled());
    CHECK(log == "2");
    CHECK(failure_of(first) == "no more");
}

TEST_CASE("a task cancelled after the mutex was handed to it passes it on", "[sync]") {
    virtual_loop v;
    mutex m;
    std::string log;
    const bool others_wait = GENERATE(true, false);
    CHECK(m.try_lock());
    auto first = v.loop.create_task(then_note(m.lock(), log, '1'));
    if (others_wait) { v.loop.create_task(then_note(m.lock(), log, '2')); }
    settle(v.loop);
    m.unlock();
    CHECK(m.owner() == first.id());
    first.cancel();
    settle(v.loop);
    CHECK(first.cancelled());
    CHECK(m.locked() == others_wait);
    CHECK(log == (others_wait ? "2" : ""));
}

TEST_CASE("a cancellation asked for before the wait is thrown by it, but not by a free mutex",
          "[sync]") {
    virtual_loop v;
    mutex held;
    mutex free;
    CHECK(held.try_lock());
    auto body = [](mutex& h, mutex& f, std::string& log) -> coro<> {
        coroscope::current_task().cancel();
        co_await f.lock();
        log += "free";
        co_await h.lock();
        log += "held";
    };
    std::string log;
    auto t = v.loop.create_task(body(held, free, log));
    settle(v.loop);
    CHECK(t.cancelled());
    CHECK(log == "free");
    held.unlock();
    CHECK_FALSE(held.locked());
}

TEST_CASE("a cancellation that is taken back after it ended the wait is still thrown", "[sync]") {
    virtual_loop v;
    mutex m;
    std::string log;
    CHECK(m.try_lock());
    auto t = v.loop.create_task(then_note(m.lock(), log, 'x'));
    settle(v.loop);
    t.cancel();
    t.uncancel();
    settle(v.loop);
    CHECK(t.cancelled());
    CHECK(log.empty());
}

TEST_CASE("a cancellation taken back after the mutex was handed over leaves it to the task",
          "[sync]") {
    virtual_loop v;
    mutex m;
    std::string log;
    CHECK(m.try_lock());
    auto t = v.loop.create_task(then_note(m.lock(), log, 'x'));
    settle(v.loop);
    m.unlock();
    t.cancel();
    t.uncancel();
    settle(v.loop);
    CHECK(log == "x");
    CHECK(m.locked());
}

TEST_CASE("waiting for a mutex may have a timeout, which leaves the mutex alone", "[sync]") {
    virtual_loop v;
    mutex m;
    auto holder = [](mutex& x) -> coro<> {
        const auto lock = co_await x.scoped();
        co_await coroscope::sleep_for(3s);
    };
    auto body = [](mutex& x) -> coro<> {
        co_await coroscope::yield_now();
        bool late = false;
        try {
            co_await coroscope::wait_for(x.lock(), 1s);
        } catch (const coroscope::timeout_error&) { late = true; }
        CHECK(late);
        const auto lock = co_await coroscope::wait_for(x.scoped(), 5s);
        CHECK(lock.owns_lock());
        CHECK(x.locked_by_current());
    };
    v.loop.create_task(holder(m));
    v.loop.run_until_complete(body(m));
    CHECK(v.clock.elapsed() == 3s);
    CHECK_FALSE(m.locked());
}

TEST_CASE("an exception in the section unlocks the mutex", "[sync]") {
    virtual_loop v;
    mutex m;
    auto body = [](mutex& x) -> coro<> {
        const auto lock = co_await x.scoped();
        throw std::runtime_error("inside");
    };
    CHECK_THROWS_WITH(v.loop.run_until_complete(body(m)), "inside");
    CHECK_FALSE(m.locked());
}

TEST_CASE("closing the loop gives back what waiting tasks were handed", "[sync]") {
    mutex m;
    std::string log;
    const bool handed_over = GENERATE(true, false);
    {
        virtual_loop v;
        CHECK(m.try_lock());
        v.loop.create_task(then_note(m.lock(), log, '1'));
        v.loop.create_task(then_note(m.lock(), log, '2'));
        settle(v.loop);
        if (handed_over) { m.unlock(); }
        v.loop.close();
    }
    CHECK(log.empty());
    CHECK(m.locked() == !handed_over);
}

TEST_CASE("a mutex that dies with its loop takes no waiter along", "[sync]") {
    virtual_loop v;
    auto m = std::make_unique<mutex>();
    std::string log;
    CHECK(m->try_lock());
    auto waiting = v.loop.create_task(then_note(m->lock(), log, '1'), "waiting");
    auto keeper = [](std::unique_ptr<mutex> kept) -> coro<> {  // newer, so destroyed first
        kept->unlock();
        co_await coroscope::sleep_for(1h);
    };
    settle(v.loop);
    v.loop.create_task(keeper(std::move(m)));
    v.loop.stop();
    v.loop.run_forever();
    v.loop.close();
    CHECK(log.size() <= 1);
}

TEST_CASE("those who wait for a mutex that is destroyed are told so", "[sync]") {
    virtual_loop v;
    std::string log;
    std::optional<mutex> m(std::in_place);
    const bool handed_over = GENERATE(true, false);
    CHECK(m->try_lock());
    const auto t = v.loop.create_task(then_note(m->lock(), log, 'x'), "waiting");
    settle(v.loop);
    if (handed_over) { m->unlock(); }
    m.reset();
    settle(v.loop);
    CHECK_THROWS_AS(t.result(), invalid_state_error);
    CHECK(failure_of(t).find("a mutex was destroyed while task waiting waits for it at")
          != std::string::npos);
    CHECK(log.empty());
}

TEST_CASE("tasks of two loops cannot wait for one mutex", "[sync]") {
    virtual_loop one;
    virtual_loop two;
    mutex m;
    std::string log;
    CHECK(m.try_lock());
    one.loop.create_task(then_note(m.lock(), log, '1'));
    settle(one.loop);
    const auto t = two.loop.create_task(then_note(m.lock(), log, '2'));
    settle(two.loop);
    CHECK(failure_of(t).find("tasks of one loop") != std::string::npos);
    m.unlock();
    settle(one.loop);
    CHECK(log == "1");
}

TEST_CASE("listings say what a waiting task waits for, and observers who let it go on", "[sync]") {
    struct edges final : coroscope::observer {
        void on_edge(coroscope::edge_kind kind, std::uint64_t from,
                     std::uint64_t to) noexcept override {
            if (kind == coroscope::edge_kind::mutex) { seen.emplace_back(from, to); }
        }
        std::vector<std::pair<std::uint64_t, std::uint64_t>> seen;
    };
    virtual_loop v;
    edges watching;
    v.loop.add_observer(watching);
    mutex m;
    std::string log;
    v.loop.create_task(use(m, log, 'a'));
    const auto second = v.loop.create_task(use(m, log, 'b'));
    settle(v.loop);
    const auto& record = second.core().record();
    CHECK(record.waits_for.load() == coroscope::wait_kind::mutex);
    CHECK(record.wait_object.load() == 1);
    v.loop.run_until_complete(second);
    REQUIRE(watching.seen.size() == 1);
    CHECK(watching.seen[0] == std::pair<std::uint64_t, std::uint64_t>(1, 2));
    v.loop.remove_observer(watching);
}
