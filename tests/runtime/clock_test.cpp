// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/clock.hpp>

#include <coroscope/runtime/sleep.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <thread>
#include <utility>
#include <vector>

using coroscope::coro;
using coroscope::duration;
using coroscope::idle_action;
using coroscope::idle_state;
using coroscope::saturating_add;
using coroscope::time_point;
using namespace std::chrono_literals;

TEST_CASE("saturating_add stops at both ends instead of wrapping") {
    const time_point zero;
    CHECK(saturating_add(zero, 5s) == time_point(5s));
    CHECK(saturating_add(time_point(5s), -7s) == time_point(-2s));
    CHECK(saturating_add(time_point(1s), duration::max()) == time_point::max());
    CHECK(saturating_add(time_point::max(), 1ns) == time_point::max());
    CHECK(saturating_add(time_point::max(), -1ns) < time_point::max());
    CHECK(saturating_add(time_point(-1s), duration::min()) == time_point::min());
    CHECK(saturating_add(zero, duration::min()) == time_point::min());
    CHECK(saturating_add(time_point::min(), duration::max()).time_since_epoch() == -1ns);
}

TEST_CASE("the system clock is steady_clock and waits until the next deadline") {
    auto& c = coroscope::system_monotonic_clock::instance();
    CHECK(&c == &coroscope::system_monotonic_clock::instance());
    const auto before = std::chrono::steady_clock::now();
    CHECK(c.now() >= before);
    idle_state nothing;
    auto action = c.on_idle(nothing);
    CHECK(action.what == idle_action::kind::wait);
    CHECK_FALSE(action.limit.has_value());
    idle_state overdue;
    overdue.next_deadline = c.now() - 1s;
    action = c.on_idle(overdue);
    CHECK(action.limit == duration::zero());
    idle_state soon;
    soon.next_deadline = c.now() + 1h;
    action = c.on_idle(soon);
    REQUIRE(action.limit.has_value());
    CHECK(*action.limit <= 1h);
    CHECK(*action.limit > 59min);
}

TEST_CASE("a loop asks its clock for everything: time, deadlines, and how to pass the time") {
    virtual_loop v;
    CHECK(&v.loop.clock() == &v.clock);
    v.clock.advance(5s);
    CHECK(v.loop.time() == time_point(5s));
    v.loop.call_later(1s, [] {});
    v.loop.call_later(2s, [] {});
    v.loop.run_forever();
    CHECK(v.clock.idles == 3);  // to each deadline, and then for good
    CHECK(v.loop.time() == time_point(7s));
}

TEST_CASE("the clock is told the next deadline, and how much I/O and how many jobs are out") {
    virtual_loop v;
    v.loop.call_later(2s, [] {});
    v.loop.call_later(1s, [&] { v.loop.stop(); });
    v.loop.run_forever();
    REQUIRE(v.clock.last_idle.next_deadline.has_value());
    CHECK(*v.clock.last_idle.next_deadline == time_point(1s));
    CHECK(v.clock.last_idle.io_operations == 0);
    CHECK(v.clock.last_idle.jobs == 0);
}

TEST_CASE("the clock is not asked while something is ready") {
    virtual_loop v;
    auto yields = [](const manual_clock& c) -> coro<int> {
        for (int i = 0; i < 1000; ++i) {
            co_await coroscope::yield_now();
        }
        co_return c.idles;
    };
    CHECK(v.loop.run_until_complete(yields(v.clock)) == 0);
}

TEST_CASE("a clock that quits ends run_forever, and the loop can run on") {
    virtual_loop v;
    v.loop.run_forever();
    CHECK(v.clock.idles == 1);
    bool ran = false;
    v.loop.call_soon([&] { ran = true; });
    v.loop.run_forever();
    CHECK(ran);
}

TEST_CASE("clock_moved makes what is due ready at once") {
    virtual_loop v;
    std::vector<int> order;
    v.loop.call_later(2s, [&] { order.push_back(2); });
    v.loop.call_later(1s, [&] { order.push_back(1); });
    v.loop.call_later(9s, [&] { order.push_back(9); });
    v.clock.advance(3s);
    v.loop.clock_moved();
    v.loop.call_soon([&] { order.push_back(0); });
    v.loop.stop();
    v.loop.run_forever();
    CHECK(order == std::vector<int>{1, 2, 0});
    CHECK(v.loop.pending_deadlines() == std::vector<time_point>{time_point(9s)});
}

TEST_CASE("pending_deadlines lists armed timers and sleeps, earliest first") {
    virtual_loop v;
    auto nap = []() -> coro<> {
        co_await coroscope::sleep_for(2s);
    };
    v.loop.create_task(nap());
    v.loop.call_later(3s, [] {});
    v.loop.call_later(1s, [] {});
    v.loop.stop();
    v.loop.run_forever();
    CHECK(v.loop.pending_deadlines()
          == std::vector<time_point>{time_point(1s), time_point(2s), time_point(3s)});
}

TEST_CASE("a clock that waits with a limit is asked again when the limit has passed") {
    struct impatient final : coroscope::clock {
        time_point now() const noexcept override { return {}; }
        idle_action on_idle(const idle_state&) override {
            idle_action action;
            action.limit = 100us;
            if (++asked == 3) { action.what = idle_action::kind::quit; }
            return action;
        }
        int asked = 0;
    };
    impatient c;
    coroscope::loop_options options;
    options.clock = &c;
    coroscope::loop l(options);
    l.run_forever();
    CHECK(c.asked == 3);
}
