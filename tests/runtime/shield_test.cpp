// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/shield.hpp>

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "runtime/delayed.hpp"
#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

using coroscope::cancelled_error;
using coroscope::coro;
using coroscope::duration;
using coroscope::shield;
using coroscope::task;
using namespace std::chrono_literals;

namespace {

coro<> note_after(duration d, bool& finished) {
    co_await coroscope::sleep_for(d);
    finished = true;
}

}  // namespace

TEST_CASE("a shield gives its coroutine's result, exception or nothing", "[waiting]") {
    virtual_loop v;
    auto body = []() -> coro<int> {
        const int n = co_await shield(after(1s, 4));
        bool finished = false;
        co_await shield(note_after(1s, finished));
        co_return finished ? n : 0;
    };
    CHECK(v.loop.run_until_complete(body()) == 4);
    auto failing = []() -> coro<int> {
        const int n = co_await shield(fail_after(1s));
        co_return n;
    };
    CHECK_THROWS_WITH(v.loop.run_until_complete(failing()), "failed");
    CHECK(v.reported.empty());
}

TEST_CASE("a shield starts its coroutine at once", "[waiting]") {
    virtual_loop v;
    auto body = []() -> coro<duration> {
        auto s = shield(after(2s, 1));
        co_await coroscope::sleep_for(1s);
        co_await s;
        co_return coroscope::get_running_loop().time().time_since_epoch();
    };
    CHECK(v.loop.run_until_complete(body()) == 2s);
}

TEST_CASE("move-only results and references pass through a shield", "[waiting]") {
    virtual_loop v;
    int target = 0;
    auto body = [](int& t) -> coro<int> {
        auto owner = []() -> coro<std::unique_ptr<int>> {
            co_return std::make_unique<int>(7);
        };
        auto reference = [](int& x) -> coro<int&> {
            co_return x;
        };
        auto p = co_await shield(owner());
        int& r = co_await shield(reference(t));
        r = *p;
        co_return t;
    };
    CHECK(v.loop.run_until_complete(body(target)) == 7);
}

TEST_CASE("cancelling the awaiter ends the shield at once; the inner task runs on", "[waiting]") {
    virtual_loop v;
    bool finished = false;
    auto body = [](bool& f) -> coro<> {
        co_await shield(note_after(10s, f));
    };
    auto t = v.loop.create_task(body(finished));
    v.loop.call_later(3s, [&] { t.cancel("enough"); });
    CHECK_THROWS_WITH(v.loop.run_until_complete(t), "enough");
    CHECK(v.clock.elapsed() == 3s);
    CHECK_FALSE(finished);
    CHECK(all_tasks(v.loop).size() == 1);
    v.loop.run_until_complete(after(7s, 0));
    CHECK(finished);
}

TEST_CASE("a cancellation that is pending when the shield is awaited spares the inner task",
          "[waiting]") {
    virtual_loop v;
    bool finished = false;
    auto body = [](bool& f) -> coro<> {
        coroscope::current_task().cancel();
        co_await shield(note_after(1s, f));
    };
    CHECK_THROWS_AS(v.loop.run_until_complete(body(finished)), cancelled_error);
    v.loop.run_until_complete(after(2s, 0));
    CHECK(finished);
}

TEST_CASE("cancelling the inner task cancels those who await the shield", "[waiting]") {
    virtual_loop v;
    auto inner = v.loop.create_task(after(1h, 1));
    auto body = [](task<int> t) -> coro<std::string> {
        std::string text;
        try {
            co_await shield(t);
        } catch (const cancelled_error& e) { text = e.what(); }
        co_await coroscope::sleep_for(1s);  // the awaiter itself was not cancelled
        co_return text;
    };
    v.loop.call_later(1s, [&] { inner.cancel("inner"); });
    CHECK(v.loop.run_until_complete(body(inner)) == "inner");
    CHECK(v.clock.elapsed() == 2s);
}

TEST_CASE("the exception of an inner task that was abandoned reaches the exception handler",
          "[waiting]") {
    virtual_loop v;
    auto body = []() -> coro<> {
        co_await shield(fail_after(2s));
    };
    auto t = v.loop.create_task(body());
    v.loop.call_later(1s, [&] { t.cancel(); });
    CHECK_THROWS_AS(v.loop.run_until_complete(t), cancelled_error);
    v.loop.run_until_complete(after(5s, 0));
    REQUIRE(v.reported.size() == 1);
    CHECK(coroscope::describe(v.reported[0].exception) == "failed");
    CHECK_THAT(v.reported[0].message, Catch::Contains("never retrieved"));
}

TEST_CASE("an exception in a shield that nobody awaited reaches the exception handler once",
          "[waiting]") {
    virtual_loop v;
    auto body = []() -> coro<> {
        {
            auto s = shield(fail_after(1s));
            co_await coroscope::sleep_for(2s);
        }
        auto dropped = shield(fail_after(1s));
    };
    v.loop.run_until_complete(body());
    CHECK(v.reported.size() == 1);
    v.loop.run_until_complete(after(2s, 0));
    CHECK(v.reported.size() == 2);
}

TEST_CASE("a shield of a task copies its result and of a finished task is finished", "[waiting]") {
    virtual_loop v;
    auto inner = v.loop.create_task(after(1s, 9));
    auto body = [](task<int> t) -> coro<int> {
        const int a = co_await shield(t);
        auto again = shield(t);
        co_return again.done() && again.result() == a ? a : 0;
    };
    CHECK(v.loop.run_until_complete(body(inner)) == 9);
    CHECK(inner.result() == 9);
}

TEST_CASE("cancel() of a shield tells whether there was something to cancel", "[waiting]") {
    virtual_loop v;
    auto body = []() -> coro<bool> {
        auto s = shield(after(1s, 1));
        const bool first = s.cancel("x");
        const bool second = s.cancel();
        co_return first && !second && s.cancelled();
    };
    CHECK(v.loop.run_until_complete(body()));
}

TEST_CASE("wait_for of a shield times out without ending the inner task", "[waiting]") {
    virtual_loop v;
    auto inner = v.loop.create_task(after(5s, 3));
    auto body = [](task<int> t) -> coro<int> {
        bool late = false;
        try {
            co_await coroscope::wait_for(shield(t), 1s);
        } catch (const coroscope::timeout_error&) { late = true; }
        const int n = co_await t;
        co_return late ? n : 0;
    };
    CHECK(v.loop.run_until_complete(body(inner)) == 3);
    CHECK(v.clock.elapsed() == 5s);
}

TEST_CASE("a shield is no protection from the loop's end", "[waiting]") {
    auto v = std::make_unique<virtual_loop>();
    bool finished = false;
    auto body = [](bool& f) -> coro<> {
        co_await shield(note_after(1h, f));
    };
    auto t = v->loop.create_task(body(finished));
    v->loop.call_later(1s, [&] { v->loop.stop(); });
    v->loop.run_forever();
    v.reset();
    CHECK(t.cancelled());
    CHECK_FALSE(finished);
}
