// SPDX-License-Identifier: Apache-2.0
// Random mixes of waiting, cancelling and letting go; what must hold whatever the order.
#include <coroscope/runtime/queue.hpp>
#include <coroscope/runtime/sync.hpp>

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

using coroscope::coro;
using coroscope::task;
using namespace std::chrono_literals;

namespace {

/// Numbers that are the same everywhere for the same seed.
class dice {
public:
    explicit dice(std::uint32_t seed) : engine_(seed) {}
    int roll(int sides) { return static_cast<int>(engine_() % static_cast<std::uint32_t>(sides)); }

private:
    std::mt19937 engine_;
};

/// A trip through the ready queue, a sleep, or nothing.
coro<> dawdle(dice& d) {
    const int what = d.roll(4);
    if (what == 0) { co_await coroscope::sleep_for(d.roll(3) * 1s); }
    if (what == 1) { co_await coroscope::yield_now(); }
}

/// Cancels tasks at random, now and then, some of them as soon as others let them go on.
coro<> harass(dice& d, std::vector<task<>>& tasks, int times) {
    for (int i = 0; i < times; ++i) {
        co_await dawdle(d);
        auto& victim = tasks[static_cast<std::size_t>(d.roll(static_cast<int>(tasks.size())))];
        victim.cancel();
        if (d.roll(8) == 0) { victim.uncancel(); }
    }
}

coro<> end_of(std::vector<task<>>& tasks) {
    for (auto& t : tasks) {
        try {
            co_await t;
        } catch (const coroscope::cancelled_error&) {}  // NOLINT(bugprone-empty-catch): expected
    }
}

/// Runs the tasks with somebody who cancels them; false if they get stuck.
void run_harassed(virtual_loop& v, dice& d, std::vector<task<>>& tasks, int times) {
    v.loop.create_task(harass(d, tasks, times));
    REQUIRE_NOTHROW(v.loop.run_until_complete(end_of(tasks)));
    CHECK(v.reported.empty());
}

struct section {
    int inside = 0;
    int most = 0;
    void enter() { most = std::max(most, ++inside); }
    void leave() { --inside; }
};

template <class Scoped>
coro<> visit(Scoped& lock, section& s, dice& d) {
    for (int i = 0; i < 6; ++i) {
        co_await dawdle(d);
        const auto guard = co_await lock.scoped();
        s.enter();
        try {
            co_await dawdle(d);
        } catch (...) {
            s.leave();
            throw;
        }
        s.leave();
    }
}

}  // namespace

TEST_CASE("whoever is cancelled when, a mutex is held by one task and is free in the end",
          "[sync]") {
    for (std::uint32_t seed = 0; seed < 150; ++seed) {
        CAPTURE(seed);
        virtual_loop v;
        dice d(seed);
        coroscope::mutex m;
        section s;
        std::vector<task<>> tasks;
        for (int i = 0; i < 8; ++i) {
            tasks.push_back(v.loop.create_task(visit(m, s, d)));
        }
        run_harassed(v, d, tasks, 25);
        CHECK(s.most == 1);
        CHECK_FALSE(m.locked());
    }
}

TEST_CASE("whoever is cancelled when, a semaphore has all its permits in the end", "[sync]") {
    for (std::uint32_t seed = 0; seed < 150; ++seed) {
        CAPTURE(seed);
        virtual_loop v;
        dice d(seed);
        coroscope::bounded_semaphore permits(3);
        section s;
        std::vector<task<>> tasks;
        for (int i = 0; i < 10; ++i) {
            tasks.push_back(v.loop.create_task(visit<coroscope::semaphore>(permits, s, d)));
        }
        run_harassed(v, d, tasks, 25);
        CHECK(s.most <= 3);
        CHECK(permits.value() == 3);
    }
}

namespace {

/// Takes one token when there is one; the token is back if it was cancelled.
coro<> take_token(coroscope::condition& c, int& tokens, int& taken, dice& d) {
    co_await dawdle(d);
    const auto lock = co_await c.scoped();
    const auto some = [&] {
        return tokens > 0;
    };
    co_await c.wait_for(some);
    --tokens;
    ++taken;
}

coro<> hand_out(coroscope::condition& c, int& tokens, int count, dice& d) {
    for (int i = 0; i < count; ++i) {
        co_await dawdle(d);
        const auto lock = co_await c.scoped();
        ++tokens;
        c.notify();
    }
}

}  // namespace

TEST_CASE("whoever is cancelled when, one notification for each token lets as many go on",
          "[sync]") {
    for (std::uint32_t seed = 0; seed < 200; ++seed) {
        CAPTURE(seed);
        virtual_loop v;
        dice d(seed);
        coroscope::condition c;
        int tokens = 0;
        int taken = 0;
        std::vector<task<>> tasks;
        for (int i = 0; i < 12; ++i) {
            tasks.push_back(v.loop.create_task(take_token(c, tokens, taken, d)));
        }
        v.loop.create_task(hand_out(c, tokens, 12, d));
        run_harassed(v, d, tasks, 8);  // stuck if a notification was lost
        CHECK(taken + tokens <= 12);
        CHECK(tokens >= 0);
    }
}

namespace {

using pairs = std::vector<std::pair<int, int>>;

coro<> produce(coroscope::queue<std::pair<int, int>>& q, int who, pairs& put, dice& d) {
    for (int i = 0; i < 10; ++i) {
        co_await dawdle(d);
        const std::pair<int, int> item(who, i);
        co_await q.put(item);
        put.push_back(item);
    }
}

coro<> consume(coroscope::queue<std::pair<int, int>>& q, pairs& got, dice& d) {
    for (;;) {
        const auto item = co_await q.get();
        got.push_back(item);
        q.task_done();
        co_await dawdle(d);
    }
}

void check_in_order(const pairs& got) {
    std::map<int, int> last;
    for (const auto& [who, number] : got) {
        const auto before = last.try_emplace(who, -1).first;
        CHECK(before->second < number);
        before->second = number;
    }
}

}  // namespace

TEST_CASE("whoever is cancelled when, a queue loses no item, doubles none, and keeps the order",
          "[sync]") {
    for (std::uint32_t seed = 0; seed < 200; ++seed) {
        CAPTURE(seed);
        virtual_loop v;
        dice d(seed);
        coroscope::queue<std::pair<int, int>> q(static_cast<std::size_t>(d.roll(4)));
        pairs put;
        pairs got;
        std::vector<task<>> producers;
        std::vector<task<>> consumers;
        for (int i = 0; i < 5; ++i) {
            producers.push_back(v.loop.create_task(produce(q, i, put, d)));
        }
        for (int i = 0; i < 4; ++i) {
            consumers.push_back(v.loop.create_task(consume(q, got, d)));
        }
        auto survivor = v.loop.create_task(consume(q, got, d));
        v.loop.create_task(harass(d, consumers, 12));
        run_harassed(v, d, producers, 4);
        auto all_done = [](coroscope::queue<std::pair<int, int>>& x) -> coro<> {
            co_await x.join();
        };
        REQUIRE_NOTHROW(v.loop.run_until_complete(all_done(q)));
        CHECK(q.empty());
        check_in_order(got);
        auto expected = put;
        auto received = got;
        std::sort(expected.begin(), expected.end());
        std::sort(received.begin(), received.end());
        CHECK(received == expected);
        survivor.cancel();
    }
}

TEST_CASE("whoever is cancelled when, a barrier lets whole rounds through", "[sync]") {
    for (std::uint32_t seed = 0; seed < 150; ++seed) {
        CAPTURE(seed);
        virtual_loop v;
        dice d(seed);
        coroscope::barrier b(3);
        std::vector<std::size_t> indices;
        auto come = [](coroscope::barrier& x, std::vector<std::size_t>& to, dice& dd) -> coro<> {
            for (int i = 0; i < 6; ++i) {
                co_await dawdle(dd);
                const auto index = co_await x.wait();
                to.push_back(index);
            }
        };
        std::vector<task<>> tasks;
        for (int i = 0; i < 7; ++i) {
            tasks.push_back(v.loop.create_task(come(b, indices, d)));
        }
        // Those who are left when too few come are let go.
        v.loop.call_later(1h, [&] {
            for (auto& t : tasks) {
                t.cancel();
            }
        });
        const int requests = seed % 2 == 0 ? 0 : 6;
        run_harassed(v, d, tasks, requests);
        CHECK(b.n_waiting() == 0);
        CHECK_FALSE(b.broken());
        std::vector<int> count(3);
        for (const auto index : indices) {
            REQUIRE(index < 3);
            ++count[index];
        }
        const auto [least, most] = std::minmax_element(count.begin(), count.end());
        CHECK(*most - *least <= requests);
        if (requests == 0) { CHECK(*most >= 10); }
    }
}
