// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/barrier.hpp>

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "runtime/settling.hpp"
#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using coroscope::barrier;
using coroscope::broken_barrier_error;
using coroscope::coro;
using coroscope::task;
using namespace std::chrono_literals;

namespace {

/// Notes its letter and its index; `!` for a broken barrier.
coro<> come(barrier& b, std::string& log, char letter) {
    try {
        const auto index = co_await b.wait();
        log += letter + std::to_string(index);
    } catch (const broken_barrier_error&) {
        log += letter;
        log += '!';
    }
}

struct party {
    explicit party(std::size_t n) : b(n) {}
    task<> arrives(char letter) {
        auto t = v.loop.create_task(come(b, log, letter));
        return t;
    }
    virtual_loop v;
    barrier b;
    std::string log;
};

}  // namespace

TEST_CASE("a barrier opens when all have come and numbers them in the order of coming", "[sync]") {
    party p(3);
    CHECK(p.b.parties() == 3);
    p.arrives('a');
    p.arrives('b');
    settle(p.v.loop);
    CHECK(p.log.empty());
    CHECK(p.b.n_waiting() == 2);
    p.arrives('c');
    settle(p.v.loop);
    CHECK(p.log == "c2a0b1");
    CHECK(p.b.n_waiting() == 0);
    CHECK_FALSE(p.b.broken());
}

TEST_CASE("a barrier may be used again and again", "[sync]") {
    virtual_loop v;
    barrier b(2);
    std::string log;
    auto rounds = [](barrier& x, std::string& to, char letter) -> coro<> {
        for (int i = 0; i < 3; ++i) {
            co_await coroscope::sleep_for(letter == 'a' ? 1s : 2s);
            co_await x.wait();
            to += letter;
        }
    };
    v.loop.create_task(rounds(b, log, 'a'));
    v.loop.run_until_complete(rounds(b, log, 'b'));
    settle(v.loop);
    CHECK(log == "bababa");
    CHECK(v.clock.elapsed() == 6s);
}

TEST_CASE("a barrier of one never waits, and one of none is refused", "[sync]") {
    party p(1);
    p.arrives('a');
    p.arrives('b');
    settle(p.v.loop);
    CHECK(p.log == "a0b0");
    CHECK_THROWS_AS(barrier(0), std::invalid_argument);
}

TEST_CASE("who comes while the last round leaves waits for the next one", "[sync]") {
    party p(2);
    p.arrives('a');
    settle(p.v.loop);
    p.arrives('b');
    p.arrives('c');  // runs before a does
    p.arrives('d');
    p.v.loop.call_soon([&] { CHECK(p.b.n_waiting() == 0); });
    settle(p.v.loop);
    CHECK(p.log == "b1a0c0d1");
    p.arrives('e');
    settle(p.v.loop);
    CHECK(p.b.n_waiting() == 1);
    CHECK(p.log == "b1a0c0d1");
}

TEST_CASE("more than a round's worth may wait for the next round", "[sync]") {
    party p(2);
    p.arrives('a');
    settle(p.v.loop);
    for (const char letter : {'b', 'c', 'd', 'e', 'f'}) {
        p.arrives(letter);
    }
    settle(p.v.loop);
    CHECK(p.log == "b1a0c0d1e0f1");
}

TEST_CASE("abort breaks the barrier for those who wait and those who come", "[sync]") {
    party p(3);
    p.arrives('a');
    p.arrives('b');
    settle(p.v.loop);
    p.b.abort();
    CHECK(p.b.broken());
    settle(p.v.loop);
    CHECK(p.log == "a!b!");
    p.arrives('c');
    settle(p.v.loop);
    CHECK(p.log == "a!b!c!");
    p.b.reset();
    CHECK_FALSE(p.b.broken());
    for (const char letter : {'d', 'e', 'f'}) {
        p.arrives(letter);
    }
    settle(p.v.loop);
    CHECK(p.log == "a!b!c!f2d0e1");
}

TEST_CASE("reset sends away those who wait and starts anew; newcomers wait until they are gone",
          "[sync]") {
    party p(2);
    p.arrives('a');
    settle(p.v.loop);
    p.b.reset();
    CHECK(p.b.n_waiting() == 0);
    p.arrives('b');
    p.arrives('c');
    settle(p.v.loop);
    CHECK(p.log == "a!c1b0");
    p.b.reset();  // of an empty one changes nothing
    CHECK_FALSE(p.b.broken());
}

TEST_CASE("abort and reset also reach those who are about to leave", "[sync]") {
    party p(2);
    const bool aborts = GENERATE(true, false);
    p.arrives('a');
    settle(p.v.loop);
    p.arrives('b');
    p.arrives('c');
    p.v.loop.call_soon([&] { aborts ? p.b.abort() : p.b.reset(); });  // a has not run by then
    p.v.loop.stop();
    p.v.loop.run_forever();
    CHECK(p.log == "b1");
    settle(p.v.loop);
    CHECK(p.log == (aborts ? "b1a!c!" : "b1a!"));
    CHECK(p.b.broken() == aborts);
    CHECK(p.b.n_waiting() == (aborts ? 0 : 1));
}

TEST_CASE("reset right after abort makes the barrier whole when all have gone", "[sync]") {
    party p(2);
    p.arrives('a');
    settle(p.v.loop);
    p.b.abort();
    p.b.reset();
    CHECK_FALSE(p.b.broken());
    p.arrives('b');
    p.arrives('c');
    settle(p.v.loop);
    CHECK(p.log == "a!c1b0");
}

TEST_CASE("one that is cancelled while it waits is no longer counted", "[sync]") {
    party p(3);
    auto first = p.arrives('a');
    p.arrives('b');
    settle(p.v.loop);
    first.cancel();
    CHECK(p.b.n_waiting() == 1);
    p.arrives('c');
    settle(p.v.loop);
    CHECK(first.cancelled());
    CHECK(p.log.empty());
    p.arrives('d');
    settle(p.v.loop);
    CHECK(p.log == "d2b0c1");
}

TEST_CASE("one that is cancelled after the barrier opened is cancelled alone", "[sync]") {
    party p(2);
    auto first = p.arrives('a');
    settle(p.v.loop);
    p.arrives('b');
    p.v.loop.call_soon([&] { first.cancel(); });
    settle(p.v.loop);
    CHECK(first.cancelled());
    CHECK(p.log == "b1");
    p.arrives('c');  // the barrier is not left draining
    p.arrives('d');
    settle(p.v.loop);
    CHECK(p.log == "b1d1c0");
}

TEST_CASE("one that is cancelled while it waits for the next round is not missed there", "[sync]") {
    party p(2);
    p.arrives('a');
    settle(p.v.loop);
    p.arrives('b');
    auto blocked = p.arrives('c');
    p.v.loop.call_soon([&] { blocked.cancel(); });
    settle(p.v.loop);
    CHECK(blocked.cancelled());
    CHECK(p.log == "b1a0");
    CHECK(p.b.n_waiting() == 0);
}

TEST_CASE("a cancellation asked for earlier is thrown by a wait, not by the last to come",
          "[sync]") {
    virtual_loop v;
    barrier b(2);
    std::string log;
    auto body = [](barrier& x, std::string& to) -> coro<> {
        coroscope::current_task().cancel();
        co_await x.wait();
        to += '1';
        co_await x.wait();
        to += '2';
    };
    auto other = v.loop.create_task(come(b, log, 'a'));
    const auto t = v.loop.create_task(body(b, log));
    settle(v.loop);
    CHECK(t.cancelled());
    CHECK(log == "1a0");
    CHECK(b.n_waiting() == 0);
}

TEST_CASE("waiting at a barrier may have a timeout, after which one is missing", "[sync]") {
    virtual_loop v;
    barrier b(2);
    auto body = [](barrier& x) -> coro<std::string> {
        try {
            co_await coroscope::wait_for(x.wait(), 1s);
        } catch (const coroscope::timeout_error&) { co_return "late"; }
        co_return "in time";
    };
    CHECK(v.loop.run_until_complete(body(b)) == "late");
    CHECK(b.n_waiting() == 0);
}

TEST_CASE("closing the loop leaves an empty barrier", "[sync]") {
    barrier b(2);
    std::string log;
    const int came = GENERATE(1, 2, 3);
    {
        virtual_loop v;
        for (int i = 0; i < came; ++i) {
            v.loop.create_task(come(b, log, 'a'));
            v.loop.stop();
            if (i == 0) { v.loop.run_forever(); }
        }
        v.loop.run_forever();
        v.loop.close();
    }
    CHECK(b.n_waiting() == 0);
    virtual_loop another;
    log.clear();
    another.loop.create_task(come(b, log, 'x'));
    another.loop.run_until_complete(come(b, log, 'y'));
    settle(another.loop);
    CHECK(log == "y1x0");
}

TEST_CASE("the last who comes may destroy the barrier; who waits at one that goes is told",
          "[sync]") {
    virtual_loop v;
    std::string log;
    auto b = std::make_unique<barrier>(2);
    v.loop.create_task(come(*b, log, 'a'));
    settle(v.loop);
    auto last = [](std::unique_ptr<barrier> owned) -> coro<> {
        co_await owned->wait();
    };
    v.loop.run_until_complete(last(std::move(b)));
    settle(v.loop);
    CHECK(log == "a0");

    b = std::make_unique<barrier>(2);
    const auto left = v.loop.create_task(come(*b, log, 'b'));
    settle(v.loop);
    b.reset();
    settle(v.loop);
    CHECK(failure_of(left).find("barrier was destroyed while task") != std::string::npos);
}
