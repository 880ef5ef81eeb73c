// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/event.hpp>

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "runtime/settling.hpp"
#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

using coroscope::coro;
using coroscope::event;
using namespace std::chrono_literals;

TEST_CASE("an event that is set lets everybody through without suspending", "[sync]") {
    virtual_loop v;
    event e;
    CHECK_FALSE(e.is_set());
    e.set();
    e.set();
    CHECK(e.is_set());
    auto body = [](event& x, virtual_loop& in) -> coro<> {
        const auto before = in.loop.statistics().steps;
        co_await x.wait();
        co_await x.wait();
        CHECK(in.loop.statistics().steps == before);
    };
    v.loop.run_until_complete(body(e, v));
}

TEST_CASE("setting an event wakes all who wait, in the order in which they came", "[sync]") {
    virtual_loop v;
    event e;
    std::string log;
    for (const char letter : {'a', 'b', 'c'}) {
        v.loop.create_task(then_note(e.wait(), log, letter));
    }
    v.loop.call_later(5s, [&] { e.set(); });
    v.loop.run_until_complete(then_note(e.wait(), log, 'd'));
    CHECK(log == "abcd");
    CHECK(v.clock.elapsed() == 5s);
}

TEST_CASE("who waited when an event was set goes on though it was cleared at once", "[sync]") {
    virtual_loop v;
    event e;
    std::string log;
    v.loop.create_task(then_note(e.wait(), log, 'a'));
    settle(v.loop);
    e.set();
    e.clear();
    CHECK_FALSE(e.is_set());
    v.loop.create_task(then_note(e.wait(), log, 'b'));
    settle(v.loop);
    CHECK(log == "a");
}

TEST_CASE("a cancelled wait for an event ends alone, whenever it is cancelled", "[sync]") {
    virtual_loop v;
    event e;
    std::string log;
    auto waiting = v.loop.create_task(then_note(e.wait(), log, 'a'));
    auto chosen = v.loop.create_task(then_note(e.wait(), log, 'b'));
    v.loop.create_task(then_note(e.wait(), log, 'c'));
    settle(v.loop);
    waiting.cancel();
    e.set();
    chosen.cancel();
    settle(v.loop);
    CHECK(waiting.cancelled());
    CHECK(chosen.cancelled());
    CHECK(log == "c");
}

TEST_CASE("a cancellation asked for earlier is thrown by a wait that suspends", "[sync]") {
    virtual_loop v;
    event is_set;
    event is_not;
    is_set.set();
    std::string log;
    auto body = [](event& yes, event& no, std::string& to) -> coro<> {
        coroscope::current_task().cancel();
        co_await yes.wait();
        to += 'y';
        co_await no.wait();
        to += 'n';
    };
    const auto t = v.loop.create_task(body(is_set, is_not, log));
    settle(v.loop);
    CHECK(t.cancelled());
    CHECK(log == "y");
    is_not.set();
}

TEST_CASE("waiting for an event may have a timeout", "[sync]") {
    virtual_loop v;
    event e;
    v.loop.call_later(3s, [&] { e.set(); });
    auto body = [](event& x) -> coro<bool> {
        bool late = false;
        try {
            co_await coroscope::wait_for(x.wait(), 1s);
        } catch (const coroscope::timeout_error&) { late = true; }
        co_await coroscope::wait_for(x.wait(), 5s);
        co_return late;
    };
    CHECK(v.loop.run_until_complete(body(e)));
    CHECK(v.clock.elapsed() == 3s);
}

TEST_CASE("listings show the line that waits, also through wait_for", "[sync]") {
    virtual_loop v;
    event e;
    auto body = [](event& x) -> coro<> {
        co_await coroscope::wait_for(x.wait(), 1h);
    };
    const auto t = v.loop.create_task(body(e));
    settle(v.loop);
    CHECK(coroscope::to_string(t.stack()[0]).find("event_test.cpp:") != std::string::npos);
    CHECK(t.core().record().waits_for.load() == coroscope::wait_kind::event);
    e.set();
    settle(v.loop);
    CHECK(t.done());
}

TEST_CASE("an event may be destroyed right after it was set, but not before", "[sync]") {
    virtual_loop v;
    std::string log;
    std::optional<event> e(std::in_place);
    v.loop.create_task(then_note(e->wait(), log, 'a'));
    settle(v.loop);
    e->set();
    e.reset();
    settle(v.loop);
    CHECK(log == "a");

    e.emplace();
    const auto left = v.loop.create_task(then_note(e->wait(), log, 'b'));
    settle(v.loop);
    e.reset();
    settle(v.loop);
    CHECK(log == "a");
    CHECK(failure_of(left).find("an event was destroyed") == std::string::npos);
    CHECK(failure_of(left).find("event was destroyed while task") != std::string::npos);
}

TEST_CASE("closing the loop while tasks wait for an event leaves the event usable", "[sync]") {
    event e;
    std::string log;
    for (int round = 0; round < 2; ++round) {
        virtual_loop v;
        v.loop.create_task(then_note(e.wait(), log, 'a'));
        settle(v.loop);
        if (round == 1) { e.set(); }
        v.loop.close();
    }
    CHECK(log.empty());
    e.set();
    virtual_loop another;
    another.loop.run_until_complete(then_note(e.wait(), log, 'b'));
    CHECK(log == "b");
}

TEST_CASE("in debug mode setting an event from another thread than the waiters' is an error",
          "[sync]") {
    event e;
    std::string log;
    std::string why;
    coroscope::loop_options options;
    options.debug = true;
    virtual_loop v(options);
    v.loop.create_task(then_note(e.wait(), log, 'a'));
    settle(v.loop);
    v.loop.call_soon([&] {
        std::thread([&] {
            try {
                e.set();
            } catch (const std::logic_error& error) { why = error.what(); }
        }).join();
    });
    settle(v.loop);
    CHECK(why.find("event::set") != std::string::npos);
    CHECK(log.empty());
    e.set();
}
