// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/queue.hpp>

#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "runtime/settling.hpp"
#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

using coroscope::coro;
using coroscope::queue;
using namespace std::chrono_literals;

namespace {

coro<> take(queue<int>& q, std::string& log, char letter) {
    const int item = co_await q.get();
    log += letter + std::to_string(item);
}

coro<> give(queue<int>& q, std::string& log, int item) {
    co_await q.put(item);
    log += '+' + std::to_string(item);
}

}  // namespace

TEST_CASE("a task that is cancelled while it waits for an item takes none", "[sync]") {
    virtual_loop v;
    queue<int> q;
    std::string log;
    auto first = v.loop.create_task(take(q, log, 'a'));
    v.loop.create_task(take(q, log, 'b'));
    settle(v.loop);
    first.cancel();
    q.put_nowait(1);
    settle(v.loop);
    CHECK(first.cancelled());
    CHECK(log == "b1");
}

TEST_CASE("an item of a task that is cancelled before it ran goes to the next, or stays",
          "[sync]") {
    virtual_loop v;
    queue<int> q;
    std::string log;
    const bool others_wait = GENERATE(true, false);
    auto first = v.loop.create_task(take(q, log, 'a'));
    if (others_wait) { v.loop.create_task(take(q, log, 'b')); }
    settle(v.loop);
    q.put_nowait(1);
    first.cancel();
    settle(v.loop);
    CHECK(first.cancelled());
    CHECK(log == (others_wait ? "b1" : ""));
    CHECK(q.size() == (others_wait ? 0 : 1));
    q.put_nowait(2);
    if (!others_wait) { CHECK(q.get_nowait() == 1); }
    CHECK(q.get_nowait() == 2);
}

TEST_CASE("a task that is cancelled while it waits for room puts nothing", "[sync]") {
    virtual_loop v;
    queue<int> q(1);
    std::string log;
    q.put_nowait(0);
    auto first = v.loop.create_task(give(q, log, 1));
    v.loop.create_task(give(q, log, 2));
    settle(v.loop);
    first.cancel();
    settle(v.loop);
    CHECK(first.cancelled());
    CHECK(q.get_nowait() == 0);
    settle(v.loop);
    CHECK(log == "+2");
    CHECK(q.get_nowait() == 2);
}

TEST_CASE("the room of a task that is cancelled before it ran goes to the next, or is free",
          "[sync]") {
    virtual_loop v;
    queue<int> q(1);
    std::string log;
    const bool others_wait = GENERATE(true, false);
    q.put_nowait(0);
    auto first = v.loop.create_task(give(q, log, 1));
    if (others_wait) { v.loop.create_task(give(q, log, 2)); }
    settle(v.loop);
    CHECK(q.get_nowait() == 0);
    first.cancel();
    settle(v.loop);
    CHECK(first.cancelled());
    CHECK(log == (others_wait ? "+2" : ""));
    CHECK(q.full() == others_wait);
    CHECK(q.size() == (others_wait ? 1 : 0));
}

TEST_CASE("cancelled before an immediate shutdown reached it, a task gives back nothing",
          "[sync]") {
    virtual_loop v;
    queue<int> q(1);
    std::string log;
    auto getter = v.loop.create_task(take(q, log, 'a'));
    settle(v.loop);
    q.put_nowait(1);
    q.put_nowait(2);
    auto putter = v.loop.create_task(give(q, log, 3));
    v.loop.call_soon([&] {
        q.shutdown(true);
        putter.cancel();
    });
    getter.cancel();
    settle(v.loop);
    CHECK(getter.cancelled());
    CHECK(putter.cancelled());
    CHECK(q.empty());
    CHECK_FALSE(q.full());
    CHECK_THROWS_AS(q.task_done(), coroscope::invalid_state_error);
}

TEST_CASE("a cancellation asked for earlier is thrown where get or put has to wait", "[sync]") {
    virtual_loop v;
    queue<int> q(1);
    std::string log;
    auto body = [](queue<int>& x, std::string& to, bool puts) -> coro<> {
        coroscope::current_task().cancel();
        co_await x.put(1);
        to += 'p';
        if (puts) { co_await x.put(2); }
        const int n = co_await x.get();
        to += std::to_string(n);
        co_await x.get();
        to += '!';
    };
    const auto putting = v.loop.create_task(body(q, log, true));
    settle(v.loop);
    CHECK(putting.cancelled());
    CHECK(log == "p");
    CHECK(q.get_nowait() == 1);
    const auto getting = v.loop.create_task(body(q, log, false));
    settle(v.loop);
    CHECK(getting.cancelled());
    CHECK(log == "pp1");
    q.put_nowait(3);
    CHECK(q.size() == 1);
}

TEST_CASE("a cancelled join ends alone", "[sync]") {
    virtual_loop v;
    queue<int> q;
    std::string log;
    q.put_nowait(1);
    auto waiting = v.loop.create_task(then_note(q.join(), log, 'a'));
    auto chosen = v.loop.create_task(then_note(q.join(), log, 'b'));
    v.loop.create_task(then_note(q.join(), log, 'c'));
    settle(v.loop);
    waiting.cancel();
    q.task_done();
    chosen.cancel();
    settle(v.loop);
    CHECK(waiting.cancelled());
    CHECK(chosen.cancelled());
    CHECK(log == "c");
}

TEST_CASE("closing the loop leaves the items of tasks that never ran in the queue", "[sync]") {
    queue<int> q(2);
    std::string log;
    {
        virtual_loop v;
        v.loop.create_task(take(q, log, 'a'));
        v.loop.create_task(take(q, log, 'b'));
        settle(v.loop);
        q.put_nowait(1);
        v.loop.close();
    }
    CHECK(q.size() == 1);
    {
        virtual_loop v;
        q.put_nowait(2);
        v.loop.create_task(give(q, log, 3));
        v.loop.create_task(give(q, log, 4));
        settle(v.loop);
        CHECK(q.get_nowait() == 1);
        v.loop.close();
    }
    CHECK(log.empty());
    CHECK(q.size() == 1);
    CHECK_FALSE(q.full());
    CHECK(q.get_nowait() == 2);
}

TEST_CASE("those who wait at a queue that is destroyed are told so, also with an item in reach",
          "[sync]") {
    virtual_loop v;
    std::string log;
    auto q = std::make_unique<queue<int>>(1);  // nothing is to be read of it afterwards
    const auto first = v.loop.create_task(take(*q, log, 'a'));
    const auto second = v.loop.create_task(take(*q, log, 'b'));
    auto full = std::make_unique<queue<int>>(1);
    full->put_nowait(0);
    const auto third = v.loop.create_task(give(*full, log, 1));
    settle(v.loop);
    q->put_nowait(1);
    q = nullptr;
    full = nullptr;
    settle(v.loop);
    for (const auto& t : {first, second, third}) {
        CHECK(failure_of(t).find("a queue was destroyed while task") != std::string::npos);
    }
    CHECK(log.empty());
}

TEST_CASE("an item that cannot be stored leaves its room to the next", "[sync]") {
    struct item {
        explicit item(int n, bool* allowed) : value(n), may_move(allowed) {}
        item(item&& other) : value(other.value), may_move(other.may_move) {
            if (!*may_move) { throw std::runtime_error("cannot be moved"); }
        }
        item& operator=(item&&) = delete;
        ~item() = default;
        int value;
        bool* may_move;
    };
    virtual_loop v;
    queue<item> q(1);
    bool always = true;
    bool at_first = true;
    q.put_nowait(item(0, &always));
    auto put = [](queue<item>& x, int n, bool* allowed) -> coro<> {
        item moved(n, allowed);
        co_await x.put(std::move(moved));
    };
    const auto failing = v.loop.create_task(put(q, 1, &at_first));
    v.loop.create_task(put(q, 2, &always));
    settle(v.loop);
    at_first = false;
    CHECK(q.get_nowait().value == 0);
    settle(v.loop);
    CHECK(failure_of(failing) == "cannot be moved");
    CHECK(q.get_nowait().value == 2);
}
