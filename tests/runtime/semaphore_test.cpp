// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/semaphore.hpp>

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "runtime/settling.hpp"
#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <limits>
#include <optional>
#include <string>
#include <utility>

using coroscope::bounded_semaphore;
using coroscope::coro;
using coroscope::invalid_state_error;
using coroscope::scoped_permit;
using coroscope::semaphore;
using namespace std::chrono_literals;

namespace {

coro<> use(semaphore& s, std::string& log, char letter) {
    const auto permit = co_await s.scoped();
    log += letter;
    co_await coroscope::sleep_for(1s);
}

}  // namespace

TEST_CASE("a semaphore lets as many tasks at a time through as it has permits", "[sync]") {
    virtual_loop v;
    semaphore s(2);
    std::string log;
    for (const char letter : {'a', 'b', 'c', 'd'}) {
        v.loop.create_task(use(s, log, letter));
    }
    settle(v.loop);
    CHECK(log == "ab");
    CHECK(s.locked());
    v.loop.run_until_complete(use(s, log, 'e'));
    CHECK(log == "abcde");
    CHECK(v.clock.elapsed() == 3s);
    CHECK(s.value() == 2);
    CHECK_FALSE(s.locked());
}

TEST_CASE("acquiring a free permit does not suspend, and try_acquire takes one or none", "[sync]") {
    virtual_loop v;
    semaphore s;
    auto body = [](semaphore& x, virtual_loop& in) -> coro<> {
        const auto before = in.loop.statistics().steps;
        co_await x.acquire();
        CHECK(in.loop.statistics().steps == before);
    };
    v.loop.run_until_complete(body(s, v));
    CHECK(s.value() == 0);
    CHECK_FALSE(s.try_acquire());
    s.release();
    CHECK(s.try_acquire());
    CHECK_FALSE(s.try_acquire());
}

TEST_CASE("a permit that is released goes to who waits longest, and no newcomer takes it",
          "[sync]") {
    virtual_loop v;
    semaphore s(0);
    std::string log;
    v.loop.create_task(then_note(s.acquire(), log, 'a'));
    v.loop.create_task(then_note(s.acquire(), log, 'b'));
    settle(v.loop);
    s.release();
    CHECK(s.locked());
    CHECK_FALSE(s.try_acquire());
    v.loop.create_task(then_note(s.acquire(), log, 'n'));
    settle(v.loop);
    CHECK(log == "a");
    s.release(3);
    settle(v.loop);
    CHECK(log == "abn");
    CHECK(s.value() == 1);
    s.release(0);
    CHECK(s.value() == 1);
}

TEST_CASE("a plain semaphore takes more permits than it had, up to what it can count", "[sync]") {
    semaphore s(1);
    s.release(4);
    CHECK(s.value() == 5);
    CHECK_THROWS_AS(s.release(std::numeric_limits<std::size_t>::max()), invalid_state_error);
    CHECK(s.value() == 5);
}

TEST_CASE("a bounded semaphore refuses to be released above its bound", "[sync]") {
    virtual_loop v;
    bounded_semaphore s(2);
    CHECK(s.bound() == 2);
    CHECK_THROWS_AS(s.release(), invalid_state_error);
    CHECK(s.try_acquire());
    CHECK_THROWS_WITH(s.release(2), Catch::Contains("semaphore_test.cpp:")
                                        && Catch::Contains("2 of 1 acquired, 2 in all")
                                        && Catch::Contains("scoped()"));
    CHECK(s.value() == 1);
    s.release();
    CHECK(s.value() == 2);

    std::string log;  // permits that were handed over count as acquired
    CHECK(s.try_acquire());
    CHECK(s.try_acquire());
    v.loop.create_task(then_note(s.acquire(), log, 'a'));
    settle(v.loop);
    s.release();
    s.release();
    CHECK(s.value() == 1);
    s.release();
    CHECK_THROWS_AS(s.release(), invalid_state_error);
}

TEST_CASE("a guard gives its permit back once", "[sync]") {
    virtual_loop v;
    auto body = []() -> coro<> {
        semaphore s(2);
        {
            auto first = co_await s.scoped();
            scoped_permit second = std::move(first);
            CHECK_FALSE(first.owns_permit());  // NOLINT(bugprone-use-after-move): empty
            CHECK(s.value() == 1);
            CHECK_THROWS_WITH(first.release(), Catch::Contains("owns_permit()"));
            first = co_await s.scoped();
            CHECK(s.value() == 0);
            second.release();
            CHECK(s.value() == 1);
            first = scoped_permit();
            CHECK(s.value() == 2);
        }
        CHECK(s.value() == 2);
    };
    v.loop.run_until_complete(body());
    CHECK(v.reported.empty());
}

TEST_CASE("a guard that would release above the bound tells the exception handler", "[sync]") {
    virtual_loop v;
    bounded_semaphore s(1);
    auto body = [](bounded_semaphore& x) -> coro<> {
        const auto permit = co_await x.scoped();
        x.release();
    };
    v.loop.run_until_complete(v.loop.create_task(body(s), "careless"));
    REQUIRE(v.reported.size() == 1);
    CHECK(v.reported[0].task_name == "careless");
    CHECK(coroscope::describe(v.reported[0].exception).find("above its bound")
          != std::string::npos);
    CHECK(s.value() == 1);
}

TEST_CASE("a task that is cancelled while it waits takes no permit", "[sync]") {
    virtual_loop v;
    semaphore s(0);
    std::string log;
    auto first = v.loop.create_task(then_note(s.acquire(), log, 'a'));
    v.loop.create_task(then_note(s.acquire(), log, 'b'));
    settle(v.loop);
    first.cancel();
    s.release();
    settle(v.loop);
    CHECK(first.cancelled());
    CHECK(log == "b");
    CHECK(s.value() == 0);
}

TEST_CASE("a task cancelled after it was given a permit passes it on", "[sync]") {
    virtual_loop v;
    semaphore s(0);
    std::string log;
    const bool others_wait = GENERATE(true, false);
    auto first = v.loop.create_task(then_note(s.acquire(), log, 'a'));
    if (others_wait) { v.loop.create_task(then_note(s.acquire(), log, 'b')); }
    settle(v.loop);
    s.release();
    first.cancel();
    settle(v.loop);
    CHECK(first.cancelled());
    CHECK(log == (others_wait ? "b" : ""));
    CHECK(s.value() == (others_wait ? 0 : 1));
}

TEST_CASE("a cancellation asked for earlier is thrown where acquire has to wait", "[sync]") {
    virtual_loop v;
    semaphore s(1);
    auto body = [](semaphore& x) -> coro<> {
        coroscope::current_task().cancel();
        co_await x.acquire();
        co_await x.acquire();
    };
    const auto t = v.loop.create_task(body(s));
    settle(v.loop);
    CHECK(t.cancelled());
    CHECK(s.value() == 0);
    s.release();
    CHECK(s.value() == 1);
}

TEST_CASE("waiting for a permit may have a timeout", "[sync]") {
    virtual_loop v;
    semaphore s(0);
    v.loop.call_later(3s, [&] { s.release(); });
    auto body = [](semaphore& x) -> coro<bool> {
        bool late = false;
        try {
            co_await coroscope::wait_for(x.acquire(), 1s);
        } catch (const coroscope::timeout_error&) { late = true; }
        const auto permit = co_await coroscope::wait_for(x.scoped(), 5s);
        co_return late&& permit.owns_permit();
    };
    CHECK(v.loop.run_until_complete(body(s)));
    CHECK(v.clock.elapsed() == 3s);
    CHECK(s.value() == 1);
}

TEST_CASE("closing the loop leaks no permit", "[sync]") {
    semaphore s(1);
    std::string log;
    {
        virtual_loop v;
        v.loop.create_task(use(s, log, 'a'));  // holds the guard
        v.loop.create_task(use(s, log, 'b'));  // waits
        settle(v.loop);
        s.release();  // is handed to b, which never runs
        v.loop.close();
    }
    CHECK(log == "a");
    CHECK(s.value() == 2);
}

TEST_CASE("those who wait for a semaphore that is destroyed are told so", "[sync]") {
    virtual_loop v;
    std::optional<semaphore> s(std::in_place, 0);
    std::string log;
    const auto t = v.loop.create_task(then_note(s->acquire(), log, 'a'));
    settle(v.loop);
    s.reset();
    settle(v.loop);
    CHECK_THROWS_AS(t.result(), invalid_state_error);
    CHECK(failure_of(t).find("semaphore was destroyed while task") != std::string::npos);
}
