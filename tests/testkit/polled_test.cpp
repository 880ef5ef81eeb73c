// SPDX-License-Identifier: Apache-2.0
#include <coroscope/testkit/polled.hpp>

#include "support/catch.hpp"

#include <coroscope/runtime/event.hpp>
#include <coroscope/runtime/queue.hpp>
#include <coroscope/runtime/sleep.hpp>

#include <memory>
#include <stdexcept>
#include <string>

using namespace std::chrono_literals;
using coroscope::coro;
using coroscope::testkit::poll_state;
using coroscope::testkit::polled;

namespace {

coro<int> wait_and_count(coroscope::event& open, int& steps) {
    ++steps;
    co_await open.wait();
    ++steps;
    co_return 42;
}

}  // namespace

TEST_CASE("a polled coroutine runs when it is polled and at no other time", "[scheduling]") {
    coroscope::event open;
    int steps = 0;
    polled<int> p(wait_and_count(open, steps));
    CHECK(steps == 0);
    CHECK_FALSE(p.is_woken());
    CHECK(p.poll_once() == poll_state::pending);
    CHECK(steps == 1);
    CHECK_THROWS_AS(p.result(), coroscope::invalid_state_error);
    open.set();
    CHECK(steps == 1);
    CHECK(p.is_woken());
    CHECK(p.poll_once() == poll_state::ready);
    CHECK_FALSE(p.is_woken());
    CHECK(p.result() == 42);
    CHECK_THROWS_AS(p.poll_once(), coroscope::invalid_state_error);
}

TEST_CASE("a poll of a coroutine that was not woken runs nothing", "[scheduling]") {
    coroscope::event open;
    int steps = 0;
    polled<int> p(wait_and_count(open, steps));
    for (int i = 0; i < 3; ++i) {
        CHECK(p.poll_once() == poll_state::pending);
    }
    CHECK(steps == 1);
    CHECK_FALSE(p.is_woken());
}

TEST_CASE("a coroutine that yields is woken already, and runs a step a poll", "[scheduling]") {
    int steps = 0;
    const auto yielding = [](int& n) -> coro<> {
        for (int i = 0; i < 3; ++i) {
            ++n;
            co_await coroscope::yield_now();
        }
    };
    polled<> p(yielding(steps));
    for (int i = 1; i <= 3; ++i) {
        CHECK(p.poll_once() == poll_state::pending);
        CHECK(steps == i);
        CHECK(p.is_woken());
    }
    CHECK(p.poll_once() == poll_state::ready);
}

TEST_CASE("an item is left in the queue between being handed over and the next step",
          "[scheduling]") {
    coroscope::queue<std::string> items;
    const auto get = [](coroscope::queue<std::string>& from) -> coro<std::string> {
        co_return co_await from.get();
    };
    polled<std::string> first(get(items));
    CHECK(first.poll_once() == poll_state::pending);
    items.put_nowait("one");
    CHECK(first.is_woken());
    CHECK(first.poll_once() == poll_state::ready);
    CHECK(first.result() == "one");
}

TEST_CASE("a polled coroutine sees the time that it is given", "[scheduling]") {
    const auto nap = []() -> coro<> {
        co_await coroscope::sleep_for(1s);
    };
    polled<> p(nap());
    CHECK(p.poll_once() == poll_state::pending);
    p.advance(999ms);
    CHECK_FALSE(p.is_woken());
    CHECK(p.poll_once() == poll_state::pending);
    p.advance(1ms);
    CHECK(p.is_woken());
    CHECK(p.poll_once() == poll_state::ready);
}

TEST_CASE("a polled coroutine may fail, be cancelled, or be dropped", "[scheduling]") {
    const auto fail = []() -> coro<> {
        co_await coroscope::yield_now();
        throw std::runtime_error("boom");
    };
    {
        polled<> p(fail());
        CHECK(p.poll_once() == poll_state::pending);
        CHECK(p.poll_once() == poll_state::ready);
        CHECK_THROWS_AS(p.result(), std::runtime_error);
    }
    coroscope::event never;
    int steps = 0;
    {
        polled<int> p(wait_and_count(never, steps));
        CHECK(p.poll_once() == poll_state::pending);
        p.cancel();
        CHECK(p.is_woken());
        CHECK(p.poll_once() == poll_state::ready);
        CHECK_THROWS_AS(p.result(), coroscope::cancelled_error);
    }
    { polled<int> dropped(wait_and_count(never, steps)); }
    {
        polled<int> dropped(wait_and_count(never, steps));
        CHECK(dropped.poll_once() == poll_state::pending);
    }
    CHECK(steps == 2);
}
