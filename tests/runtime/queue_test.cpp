// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/queue.hpp>

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "runtime/settling.hpp"
#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

using coroscope::coro;
using coroscope::invalid_state_error;
using coroscope::lifo_queue;
using coroscope::priority_queue;
using coroscope::queue;
using coroscope::queue_empty;
using coroscope::queue_full;
using coroscope::queue_shutdown;
using namespace std::chrono_literals;

namespace {

/// Takes one item and writes `letter` and the item; `!` if the queue is shut down.
template <class Queue>
coro<> take(Queue& q, std::string& log, char letter) {
    try {
        const int item = co_await q.get();
        log += letter + std::to_string(item);
    } catch (const queue_shutdown&) {
        log += letter;
        log += '!';
    }
}

coro<> give(queue<int>& q, std::string& log, int item) {
    try {
        co_await q.put(item);
        log += '+' + std::to_string(item);
    } catch (const queue_shutdown&) { log += "+!"; }
}

template <class Queue>
std::string drain(Queue& q) {
    std::string all;
    while (!q.empty()) {
        all += std::to_string(q.get_nowait());
    }
    return all;
}

}  // namespace

TEST_CASE("a queue gives first what was put first, a stack last, a priority queue the smallest",
          "[sync]") {
    queue<int> first;
    lifo_queue<int> last;
    priority_queue<int> smallest;
    priority_queue<int, std::greater<>> largest;
    for (const int n : {3, 1, 4, 1, 5}) {
        first.put_nowait(n);
        last.put_nowait(n);
        smallest.put_nowait(n);
        largest.put_nowait(n);
    }
    CHECK(first.size() == 5);
    CHECK(drain(first) == "31415");
    CHECK(drain(last) == "51413");
    CHECK(drain(smallest) == "11345");
    CHECK(drain(largest) == "54311");
}

TEST_CASE("a queue says how full it is, and what cannot be done now", "[sync]") {
    queue<int> q(2);
    CHECK(q.capacity() == 2);
    CHECK(q.empty());
    CHECK_THROWS_AS(q.get_nowait(), queue_empty);
    q.put_nowait(1);
    CHECK_FALSE(q.empty());
    CHECK_FALSE(q.full());
    q.put_nowait(2);
    CHECK(q.full());
    CHECK(q.size() == 2);
    CHECK_THROWS_AS(q.put_nowait(3), queue_full);
    CHECK_THROWS_WITH(q.put_nowait(3), Catch::Contains("2 items") && Catch::Contains("put()"));
    CHECK(drain(q) == "12");

    queue<int> unbounded;
    CHECK(unbounded.capacity() == 0);
    for (int i = 0; i < 1000; ++i) {
        unbounded.put_nowait(i);
    }
    CHECK_FALSE(unbounded.full());
    for (int i = 0; i < 1000; ++i) {
        REQUIRE(unbounded.get_nowait() == i);
    }
}

TEST_CASE("a queue that never holds much goes round in the memory it has", "[sync]") {
    queue<int> q(3);
    int next = 0;
    for (int round = 0; round < 100; ++round) {
        while (!q.full()) {
            q.put_nowait(next++);
        }
        REQUIRE(q.get_nowait() == next - 3);
    }
}

TEST_CASE("get and put do not suspend where nothing has to be waited for", "[sync]") {
    virtual_loop v;
    queue<int> q(2);
    auto body = [](queue<int>& x, virtual_loop& in) -> coro<> {
        const auto before = in.loop.statistics().steps;
        co_await x.put(1);
        co_await x.put(2);
        const int a = co_await x.get();
        const int b = co_await x.get();
        CHECK(a * 10 + b == 12);
        CHECK(in.loop.statistics().steps == before);
    };
    v.loop.run_until_complete(body(q, v));
}

TEST_CASE("items may be move-only and need no default constructor", "[sync]") {
    struct item {
        explicit item(int n) : value(std::make_unique<int>(n)) {}
        bool operator<(const item& other) const { return *value < *other.value; }
        std::unique_ptr<int> value;
    };
    virtual_loop v;
    queue<item> q(1);
    lifo_queue<item> l;
    priority_queue<item> p;
    auto body = [](queue<item>& x, lifo_queue<item>& y, priority_queue<item>& z) -> coro<int> {
        item first(1);
        co_await x.put(std::move(first));
        item got = co_await x.get();
        co_await y.put(std::move(got));
        got = co_await y.get();
        co_await z.put(item(7));
        co_await z.put(std::move(got));
        got = co_await z.get();
        co_return *got.value;
    };
    CHECK(v.loop.run_until_complete(body(q, l, p)) == 1);
}

TEST_CASE("tasks that wait for items are served in the order in which they came", "[sync]") {
    virtual_loop v;
    queue<int> q;
    std::string log;
    for (const char letter : {'a', 'b', 'c'}) {
        v.loop.create_task(take(q, log, letter));
    }
    settle(v.loop);
    q.put_nowait(1);
    q.put_nowait(2);
    CHECK(q.empty());  // they belong to a and b
    CHECK_THROWS_AS(q.get_nowait(), queue_empty);
    v.loop.create_task(take(q, log, 'n'));
    settle(v.loop);
    CHECK(log == "a1b2");
    q.put_nowait(3);
    q.put_nowait(4);
    settle(v.loop);
    CHECK(log == "a1b2c3n4");
}

TEST_CASE(
    "what comes out of a queue is in order also when a newcomer is served before a waiter ran",
    "[sync]") {
    virtual_loop v;
    queue<int> q;
    std::string log;
    v.loop.create_task(take(q, log, 'a'));
    settle(v.loop);
    v.loop.create_task(take(q, log, 'n'));  // will run before a does
    q.put_nowait(1);
    q.put_nowait(2);
    settle(v.loop);
    CHECK(log == "n1a2");
}

TEST_CASE("a task that waits at a priority queue gets what is smallest when it runs", "[sync]") {
    virtual_loop v;
    priority_queue<int> q;
    std::string log;
    v.loop.create_task(take(q, log, 'a'));
    settle(v.loop);
    q.put_nowait(5);
    q.put_nowait(1);
    settle(v.loop);
    CHECK(log == "a1");
    CHECK(drain(q) == "5");
}

TEST_CASE("tasks that wait for room put in the order in which they came", "[sync]") {
    virtual_loop v;
    queue<int> q(1);
    std::string log;
    for (const int n : {1, 2, 3}) {
        v.loop.create_task(give(q, log, n));
    }
    settle(v.loop);
    CHECK(log == "+1");
    CHECK(q.get_nowait() == 1);
    CHECK(q.full());  // the room is the second one's
    CHECK_THROWS_AS(q.put_nowait(9), queue_full);
    settle(v.loop);
    CHECK(log == "+1+2");
    CHECK(q.get_nowait() == 2);
    settle(v.loop);
    CHECK(drain(q) == "3");
}

TEST_CASE("producers and consumers of a small queue move everything, in order", "[sync]") {
    virtual_loop v;
    const std::size_t capacity = GENERATE(1U, 2U, 7U, 0U);
    queue<int> q(capacity);
    auto produce = [](queue<int>& x) -> coro<> {
        for (int i = 0; i < 50; ++i) {
            co_await x.put(i);
        }
        x.shutdown();
    };
    std::vector<int> got;
    auto consume = [](queue<int>& x, std::vector<int>& to) -> coro<> {
        try {
            for (;;) {
                const int n = co_await x.get();
                to.push_back(n);
            }
        } catch (const queue_shutdown&) { to.push_back(-1); }
    };
    v.loop.create_task(produce(q));
    v.loop.run_until_complete(consume(q, got));
    REQUIRE(got.size() == 51);
    for (int i = 0; i < 50; ++i) {
        CHECK(got[static_cast<std::size_t>(i)] == i);
    }
}

TEST_CASE("join waits until each item was reported as done", "[sync]") {
    virtual_loop v;
    queue<int> q;
    std::string log;
    v.loop.run_until_complete(then_note(q.join(), log, '0'));
    q.put_nowait(1);
    q.put_nowait(2);
    v.loop.create_task(then_note(q.join(), log, 'j'));
    v.loop.create_task(then_note(q.join(), log, 'k'));
    CHECK(drain(q) == "12");
    settle(v.loop);
    CHECK(log == "0");
    q.task_done();
    settle(v.loop);
    CHECK(log == "0");
    q.task_done();
    settle(v.loop);
    CHECK(log == "0jk");
    CHECK_THROWS_AS(q.task_done(), invalid_state_error);
    CHECK_THROWS_WITH(q.task_done(), Catch::Contains("more often than items were put"));
}

TEST_CASE("a queue that was shut down gives what is left and takes nothing more", "[sync]") {
    virtual_loop v;
    queue<int> q(2);
    std::string log;
    q.put_nowait(1);
    q.put_nowait(2);
    v.loop.create_task(give(q, log, 3));
    settle(v.loop);
    CHECK_FALSE(q.is_shut_down());
    q.shutdown();
    CHECK(q.is_shut_down());
    settle(v.loop);
    CHECK(log == "+!");
    v.loop.create_task(give(q, log, 4));
    CHECK_THROWS_AS(q.put_nowait(5), queue_shutdown);
    for (const char letter : {'a', 'b', 'c'}) {
        v.loop.create_task(take(q, log, letter));
    }
    settle(v.loop);
    CHECK(log == "+!+!a1b2c!");
    CHECK_THROWS_AS(q.get_nowait(), queue_shutdown);
    CHECK_THROWS_WITH(q.get_nowait(), Catch::Contains("queue_test.cpp:"));
    q.task_done();
    q.task_done();
    v.loop.run_until_complete(then_note(q.join(), log, 'j'));
    q.shutdown();  // again changes nothing
}

TEST_CASE("shutting down sends away those who wait for items, but none that has one", "[sync]") {
    virtual_loop v;
    queue<int> q;
    std::string log;
    v.loop.create_task(take(q, log, 'a'));
    v.loop.create_task(take(q, log, 'b'));
    settle(v.loop);
    q.put_nowait(1);
    q.shutdown();
    settle(v.loop);
    CHECK(log == "a1b!");
}

TEST_CASE("shutting down at once drops what is left, which then counts as done", "[sync]") {
    virtual_loop v;
    queue<int> q;
    std::string log;
    v.loop.create_task(take(q, log, 'a'));
    settle(v.loop);
    q.put_nowait(1);  // is a's, who has not run
    q.put_nowait(2);
    v.loop.create_task(then_note(q.join(), log, 'j'));
    v.loop.stop();
    v.loop.run_forever();
    CHECK(log == "a1");
    q.shutdown(true);
    CHECK(q.empty());
    settle(v.loop);
    CHECK(log == "a1");  // a's item is not done
    q.task_done();
    settle(v.loop);
    CHECK(log == "a1j");

    queue<int> p;
    v.loop.create_task(take(p, log, 'b'));
    settle(v.loop);
    p.put_nowait(1);
    p.shutdown(true);  // b has not taken it
    settle(v.loop);
    CHECK(log == "a1jb!");
    CHECK_THROWS_AS(p.task_done(), invalid_state_error);
}

TEST_CASE("a wait for an item may have a timeout", "[sync]") {
    virtual_loop v;
    queue<int> q(1);
    auto body = [](queue<int>& x) -> coro<int> {
        int late = 0;
        try {
            co_await coroscope::wait_for(x.get(), 1s);
        } catch (const coroscope::timeout_error&) { ++late; }
        co_await coroscope::wait_for(x.put(1), 1s);
        try {
            co_await coroscope::wait_for(x.put(2), 1s);
        } catch (const coroscope::timeout_error&) { ++late; }
        const int got = co_await coroscope::wait_for(x.get(), 1s);
        co_return late * 10 + got;
    };
    CHECK(v.loop.run_until_complete(body(q)) == 21);
    CHECK(v.clock.elapsed() == 2s);
    CHECK(q.empty());
}

TEST_CASE("listings name a queue by one id, whoever waits at it", "[sync]") {
    virtual_loop v;
    queue<int> q(1);
    std::string log;
    q.put_nowait(1);
    const auto giver = v.loop.create_task(give(q, log, 2));
    const auto joiner = v.loop.create_task(then_note(q.join(), log, 'j'));
    settle(v.loop);
    for (const auto& t : {coroscope::any_task(giver), coroscope::any_task(joiner)}) {
        CHECK(t.core().record().waits_for.load() == coroscope::wait_kind::queue);
        CHECK(t.core().record().wait_object.load() == 1);
    }
}
