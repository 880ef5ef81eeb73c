// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/handle.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

using coroscope::duration;
using coroscope::time_point;
using namespace std::chrono_literals;

TEST_CASE("call_soon callbacks run once each, in the order of their calls") {
    virtual_loop v;
    std::vector<int> order;
    for (int i = 0; i < 5; ++i) {
        v.loop.call_soon([&order, i] { order.push_back(i); });
    }
    CHECK(order.empty());
    v.loop.run_forever();
    v.loop.run_forever();
    CHECK(order == std::vector<int>{0, 1, 2, 3, 4});
}

TEST_CASE("a callback scheduled by a callback runs after everything that was ready") {
    virtual_loop v;
    std::vector<std::string> order;
    v.loop.call_soon([&] {
        v.loop.call_soon([&] { order.emplace_back("inner"); });
        order.emplace_back("first");
    });
    v.loop.call_soon([&] { order.emplace_back("second"); });
    v.loop.run_forever();
    CHECK(order == std::vector<std::string>{"first", "second", "inner"});
}

TEST_CASE("timers fire in the order of their deadlines, equal ones in the order of arming") {
    virtual_loop v;
    std::vector<std::string> order;
    const auto start = v.loop.time();
    v.loop.call_later(2s, [&] { order.emplace_back("2s, armed first"); });
    v.loop.call_later(1s, [&] { order.emplace_back("1s"); });
    v.loop.call_at(start + 2s, [&] { order.emplace_back("2s, armed second"); });
    v.loop.call_later(2s, [&] { order.emplace_back("2s, armed third"); });
    v.loop.run_forever();
    CHECK(order
          == std::vector<std::string>{"1s", "2s, armed first", "2s, armed second",
                                      "2s, armed third"});
    CHECK(v.loop.time() == start + 2s);
}

TEST_CASE("a thousand timers with many equal deadlines keep both orders") {
    virtual_loop v;
    std::vector<std::pair<int, int>> fired;
    unsigned state = 1;
    for (int i = 0; i < 1000; ++i) {
        state = state * 1664525U + 1013904223U;
        const int at = static_cast<int>(state >> 28U);
        v.loop.call_later(std::chrono::milliseconds(at),
                          [&fired, at, i] { fired.emplace_back(at, i); });
    }
    v.loop.run_forever();
    REQUIRE(fired.size() == 1000);
    CHECK(std::is_sorted(fired.begin(), fired.end()));
}

TEST_CASE("zero and negative delays are soon, never inline") {
    virtual_loop v;
    v.clock.advance(10s);
    const auto delay = GENERATE(duration(0), duration(-5s), duration::min());
    bool ran = false;
    auto h = v.loop.call_later(delay, [&] { ran = true; });
    CHECK_FALSE(ran);
    CHECK(h.when() <= v.loop.time());
    v.loop.run_forever();
    CHECK(ran);
    CHECK(v.clock.elapsed() == 10s);
}

TEST_CASE("a due timer runs behind what is ready, and behind older timers that are due") {
    virtual_loop v;
    std::vector<std::string> order;
    v.loop.call_later(1s, [&] { order.emplace_back("older"); });
    v.loop.call_soon([&] { order.emplace_back("ready"); });
    v.clock.advance(1s);
    v.loop.call_later(0s, [&] { order.emplace_back("zero"); });
    v.loop.call_soon([&] { order.emplace_back("later"); });
    v.loop.run_forever();
    CHECK(order == std::vector<std::string>{"ready", "older", "zero", "later"});
}

TEST_CASE("callbacks that reschedule themselves with no delay starve neither timers nor others") {
    virtual_loop v;
    int rounds = 0;
    bool timer_ran = false;
    struct again {
        virtual_loop& v;
        int& rounds;
        bool& enough;
        void operator()() const {
            if (++rounds == 500) { v.clock.advance(1s); }
            if (!enough && rounds < 100'000) { v.loop.call_later(0s, *this); }
        }
    };
    v.loop.call_later(1s, [&] { timer_ran = true; });
    v.loop.call_soon(again{v, rounds, timer_ran});
    v.loop.run_forever();
    CHECK(timer_ran);
    CHECK(rounds >= 500);
    CHECK(rounds < 10'000);
}

TEST_CASE("the largest deadline never comes, however far the clock goes") {
    virtual_loop v;
    bool ran = false;
    auto token = std::make_shared<int>();
    auto at = v.loop.call_at(time_point::max(), [&ran, token] { ran = true; });
    auto later = v.loop.call_later(duration::max(), [&ran, token] { ran = true; });
    CHECK(at.when() == time_point::max());
    CHECK(v.loop.pending_deadlines().empty());
    v.loop.call_later(1'000'000h, [] {});
    v.loop.run_forever();
    CHECK_FALSE(ran);
    at.cancel();
    CHECK(at.cancelled());
    CHECK(token.use_count() == 2);
    later = {};
    CHECK(token.use_count() == 1);
}

TEST_CASE("a cancelled callback does not run, and releases its captures at once") {
    virtual_loop v;
    auto token = std::make_shared<int>();
    auto soon = v.loop.call_soon([token] { FAIL("cancelled"); });
    auto later = v.loop.call_later(1s, [token] { FAIL("cancelled"); });
    CHECK(token.use_count() == 3);
    soon.cancel();
    later.cancel();
    later.cancel();
    CHECK(token.use_count() == 1);
    CHECK(soon.cancelled());
    CHECK(later.cancelled());
    CHECK(v.loop.pending_deadlines().empty());
    v.loop.run_forever();
    CHECK(v.clock.elapsed() == 0s);
    CHECK(v.loop.statistics().callbacks == 0);
}

TEST_CASE("cancelling timers in any order leaves the others in order") {
    virtual_loop v;
    std::vector<int> fired;
    std::vector<coroscope::timer_handle> handles;
    for (int i = 0; i < 200; ++i) {
        const int at = (i * 37) % 101;
        handles.push_back(
            v.loop.call_later(std::chrono::seconds(at), [&fired, at] { fired.push_back(at); }));
    }
    for (std::size_t i = 0; i < handles.size(); ++i) {
        if ((i * 13) % 3 == 0) { handles[(i * 71) % handles.size()].cancel(); }
    }
    const auto left = v.loop.pending_deadlines().size();
    v.loop.run_forever();
    CHECK(std::is_sorted(fired.begin(), fired.end()));
    CHECK(fired.size() >= left);
    CHECK(fired.size() < 200);
    CHECK(fired.size() > 100);
}

TEST_CASE("a callback may cancel another that is due in the same pass, and itself to no effect") {
    virtual_loop v;
    bool second = false;
    coroscope::handle own;
    coroscope::timer_handle other;
    own = v.loop.call_soon([&] {
        other.cancel();
        own.cancel();
    });
    other = v.loop.call_later(0s, [&] { second = true; });
    v.loop.run_forever();
    CHECK_FALSE(second);
    CHECK(other.cancelled());
    CHECK_FALSE(own.cancelled());
}

TEST_CASE("captures are released after a callback ran, though its handle lives") {
    virtual_loop v;
    auto token = std::make_shared<int>();
    auto h = v.loop.call_soon([token] {});
    v.loop.run_forever();
    CHECK(token.use_count() == 1);
    h.cancel();
    CHECK_FALSE(h.cancelled());
}

TEST_CASE("handles are counted, have ids, and may outlive the loop") {
    coroscope::handle kept;
    coroscope::timer_handle timer;
    CHECK(kept.id() == 0);
    CHECK_FALSE(kept.cancelled());
    kept.cancel();
    {
        virtual_loop v;
        kept = v.loop.call_soon([] {});
        timer = v.loop.call_later(1h, [] {});
        auto copy = kept;
        CHECK(copy.id() == kept.id());
        CHECK(kept.id() != timer.id());
        auto moved = std::move(copy);
        CHECK(moved.id() == kept.id());
    }
    kept.cancel();
    timer.cancel();
    CHECK(timer.when().time_since_epoch() == 1h);
}

TEST_CASE("large and move-only callbacks are called and destroyed once") {
    virtual_loop v;
    auto token = std::make_shared<int>();
    std::array<char, 500> large{};
    large[499] = 'x';
    char seen = 0;
    auto owned = std::make_unique<int>(5);
    int from_owned = 0;
    v.loop.call_soon([large, token, &seen] { seen = large[499]; });
    v.loop.call_soon([owned = std::move(owned), &from_owned] { from_owned = *owned; });
    v.loop.run_forever();
    CHECK(seen == 'x');
    CHECK(from_owned == 5);
    CHECK(token.use_count() == 1);
}

TEST_CASE("an exception in a callback reaches the handler with the handle, and the loop goes on") {
    virtual_loop v;
    bool next = false;
    auto h = v.loop.call_soon([] { throw std::runtime_error("in a callback"); });
    v.loop.call_soon([] { throw 42; });
    v.loop.call_soon([&] { next = true; });
    v.loop.run_forever();
    CHECK(next);
    REQUIRE(v.reported.size() == 2);
    CHECK(v.reported[0].handle_id == h.id());
    CHECK(coroscope::describe(v.reported[0].exception) == "in a callback");
    CHECK(coroscope::to_string(v.reported[0].created_at).find("handle_test.cpp")
          != std::string::npos);
    CHECK(coroscope::describe(v.reported[1].exception).find("type i") != std::string::npos);
}
