// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/sleep.hpp>

#include <coroscope/runtime/task.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <string>
#include <utility>
#include <vector>

using coroscope::coro;
using coroscope::duration;
using coroscope::time_point;
using namespace std::chrono_literals;

namespace {

coro<> note_after(duration d, std::vector<int>& to, int who) {
    co_await coroscope::sleep_for(d);
    to.push_back(who);
}

}  // namespace

TEST_CASE("sleep_for takes exactly its time of the loop's clock") {
    virtual_loop v;
    auto body = [](coroscope::loop& l) -> coro<duration> {
        const auto before = l.time();
        co_await coroscope::sleep_for(1500ms);
        co_return l.time() - before;
    };
    CHECK(v.loop.run_until_complete(body(v.loop)) == 1500ms);
}

TEST_CASE("a sleep's delay counts from the await, not from where it was made") {
    virtual_loop v;
    auto body = [](virtual_loop& in) -> coro<duration> {
        auto nap = coroscope::sleep_for(1s);
        in.clock.advance(10s);
        co_await nap;
        co_return in.clock.elapsed();
    };
    CHECK(v.loop.run_until_complete(body(v)) == 11s);
}

TEST_CASE("a sleep may be awaited again") {
    virtual_loop v;
    auto body = [](virtual_loop& in) -> coro<duration> {
        const auto nap = coroscope::sleep_for(1s);
        co_await nap;
        co_await nap;
        co_return in.clock.elapsed();
    };
    CHECK(v.loop.run_until_complete(body(v)) == 2s);
}

TEST_CASE("equal sleeps end in the order they began") {
    virtual_loop v;
    std::vector<int> order;
    for (int i = 0; i < 5; ++i) {
        v.loop.create_task(note_after(1s, order, i));
    }
    v.loop.create_task(note_after(500ms, order, 9));
    v.loop.run_forever();
    CHECK(order == std::vector<int>{9, 0, 1, 2, 3, 4});
}

TEST_CASE("zero, negative and past sleeps are one trip through the ready queue") {
    virtual_loop v;
    v.clock.advance(10s);
    std::vector<int> order;
    auto past = [](std::vector<int>& to) -> coro<> {
        co_await coroscope::sleep_until(time_point(3s));
        to.push_back(2);
    };
    v.loop.create_task(note_after(0s, order, 0));
    v.loop.create_task(note_after(-5s, order, 1));
    v.loop.create_task(past(order));
    v.loop.create_task(note_after(duration::min(), order, 3));
    v.loop.call_soon([&] { order.push_back(-1); });
    v.loop.run_forever();
    CHECK(order == std::vector<int>{-1, 0, 1, 2, 3});
    CHECK(v.clock.elapsed() == 10s);
}

TEST_CASE("sleep_until wakes when the clock shows the time") {
    virtual_loop v;
    auto body = [](virtual_loop& in) -> coro<duration> {
        co_await coroscope::sleep_until(time_point(7s));
        co_return in.clock.elapsed();
    };
    CHECK(v.loop.run_until_complete(body(v)) == 7s);
}

TEST_CASE("the longest sleep never ends, but can be cancelled") {
    virtual_loop v;
    bool woke = false;
    auto body = [](bool& flag) -> coro<> {
        co_await coroscope::sleep_for(duration::max());
        flag = true;
    };
    auto t = v.loop.create_task(body(woke));
    v.loop.call_later(1'000'000h, [] {});
    v.loop.run_forever();
    CHECK_FALSE(t.done());
    t.cancel();
    v.loop.run_forever();
    CHECK(t.cancelled());
    CHECK_FALSE(woke);
}

TEST_CASE("yield_now lets everything that is ready run first") {
    virtual_loop v;
    std::vector<std::string> order;
    auto body = [](std::vector<std::string>& to, std::string who) -> coro<> {
        to.push_back(who + "1");
        co_await coroscope::yield_now();
        to.push_back(who + "2");
    };
    v.loop.create_task(body(order, "a"));
    v.loop.create_task(body(order, "b"));
    v.loop.run_forever();
    CHECK(order == std::vector<std::string>{"a1", "b1", "a2", "b2"});
}

TEST_CASE("tasks that yield for ever do not starve a timer") {
    virtual_loop v;
    bool fired = false;
    auto spin = [](virtual_loop& in, const bool& enough, int& rounds) -> coro<> {
        while (!enough && rounds < 100'000) {
            if (++rounds == 100) { in.clock.advance(1s); }
            co_await coroscope::yield_now();
        }
    };
    int rounds = 0;
    v.loop.call_later(1s, [&] { fired = true; });
    v.loop.create_task(spin(v, fired, rounds));
    v.loop.run_forever();
    CHECK(fired);
    CHECK(rounds < 10'000);
}

TEST_CASE("a sleeping task's frame may be destroyed: its timer goes with it") {
    virtual_loop v;
    std::vector<int> order;
    v.loop.create_task(note_after(1h, order, 0));
    v.loop.stop();
    v.loop.run_forever();
    CHECK(v.loop.pending_deadlines() == std::vector<time_point>{time_point(1h)});
    v.loop.close();
    CHECK(v.loop.pending_deadlines().empty());
    CHECK(order.empty());
}

TEST_CASE("without a fake clock a sleep takes real time, at least what was asked for") {
    coroscope::loop l;
    auto body = []() -> coro<> {
        co_await coroscope::sleep_for(3ms);
    };
    const auto before = std::chrono::steady_clock::now();
    l.run_until_complete(body());
    CHECK(std::chrono::steady_clock::now() - before >= 3ms);
}
