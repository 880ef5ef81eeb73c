// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/interval.hpp>

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <stdexcept>
#include <utility>
#include <vector>

using coroscope::coro;
using coroscope::duration;
using coroscope::interval;
using coroscope::missed_tick;
using coroscope::time_point;
using namespace std::chrono_literals;

namespace {

/// When each tick was due, and when it came.
using ticks = std::vector<std::pair<duration, duration>>;

/// Five ticks of a period of 10 s; after the first, something takes 25 s.
coro<ticks> tick_with_a_pause(missed_tick when_late) {
    const auto began = coroscope::get_running_loop().time();
    interval every(10s, when_late);
    ticks seen;
    for (int i = 0; i < 5; ++i) {
        const auto due = co_await every.tick();
        seen.emplace_back(due - began, coroscope::get_running_loop().time() - began);
        if (i == 0) { co_await coroscope::sleep_for(25s); }
    }
    co_return seen;
}

[[nodiscard]] ticks run(missed_tick when_late) {
    virtual_loop v;
    return v.loop.run_until_complete(tick_with_a_pause(when_late));
}

}  // namespace

TEST_CASE("an interval ticks at once, and then without drift") {
    virtual_loop v;
    const auto body = [](virtual_loop& in) -> coro<> {
        interval every(10s);
        for (int i = 0; i < 4; ++i) {
            const auto due = co_await every.tick();
            CHECK(due == time_point(i * 10s));
            CHECK(in.clock.elapsed() == i * 10s);
            co_await coroscope::sleep_for(3s);  // work takes no time off the period
        }
        CHECK(every.next() == time_point(40s));
        CHECK(every.period() == 10s);
    };
    v.loop.run_until_complete(body(v));
}

TEST_CASE("burst makes up for missed ticks") {
    CHECK(run(missed_tick::burst)
          == ticks{{0s, 0s}, {10s, 25s}, {20s, 25s}, {30s, 30s}, {40s, 40s}});
}

TEST_CASE("delay counts anew from a late tick") {
    CHECK(run(missed_tick::delay)
          == ticks{{0s, 0s}, {10s, 25s}, {35s, 35s}, {45s, 45s}, {55s, 55s}});
}

TEST_CASE("skip leaves missed ticks out and keeps the beat") {
    CHECK(run(missed_tick::skip)
          == ticks{{0s, 0s}, {10s, 25s}, {30s, 30s}, {40s, 40s}, {50s, 50s}});
}

TEST_CASE("skip leaves nothing out after a tick that is late by less than a period") {
    virtual_loop v;
    const auto body = []() -> coro<time_point> {
        interval every(10s, missed_tick::skip);
        static_cast<void>(co_await every.tick());
        co_await coroscope::sleep_for(19s);
        static_cast<void>(co_await every.tick());
        co_return every.next();
    };
    CHECK(v.loop.run_until_complete(body()) == time_point(20s));
}

TEST_CASE("an interval may begin later, and be reset") {
    virtual_loop v;
    const auto body = [](virtual_loop& in) -> coro<> {
        interval every(time_point(5s), 10s);
        auto due = co_await every.tick();
        CHECK(due == time_point(5s));
        co_await coroscope::sleep_for(2s);
        every.reset();
        due = co_await every.tick();
        CHECK(due == time_point(17s));
        CHECK(in.clock.elapsed() == 17s);
    };
    v.loop.run_until_complete(body(v));
}

TEST_CASE("a cancelled tick is not taken") {
    virtual_loop v;
    const auto body = []() -> coro<time_point> {
        interval every(time_point(5s), 10s);
        try {
            static_cast<void>(co_await coroscope::wait_for(every.tick(), 1s));
        } catch (const coroscope::timeout_error&) {  // NOLINT(bugprone-empty-catch): as expected
        }
        co_return co_await every.tick();
    };
    CHECK(v.loop.run_until_complete(body()) == time_point(5s));
}

TEST_CASE("an interval without a positive period is refused") {
    CHECK_THROWS_AS(interval(time_point(), 0s), std::invalid_argument);
    CHECK_THROWS_AS(interval(time_point(), -1s), std::invalid_argument);
}

TEST_CASE("ticks beyond the end of time never come") {
    virtual_loop v;
    const auto body = []() -> coro<time_point> {
        interval every(duration::max());
        static_cast<void>(co_await every.tick());
        co_await coroscope::sleep_for(1s);
        every.reset();
        co_return every.next();
    };
    CHECK(v.loop.run_until_complete(body()) == time_point::max());
}
