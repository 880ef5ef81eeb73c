// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/nursery.hpp>

#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "runtime/delayed.hpp"
#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using coroscope::cancelled_error;
using coroscope::coro;
using coroscope::duration;
using coroscope::nursery;
using namespace std::chrono_literals;

namespace {

/// Schedules a shielded task of 5 s and a plain one of 9 s, then sleeps.
coro<> schedule_both(nursery<int>& n, duration sleep) {
    n.schedule_shielded(after(5s, 1));
    n.schedule_coro(after(9s, 2));
    co_await coroscope::sleep_for(sleep);
}

coro<> run_both(nursery<int>& n, duration sleep) {
    co_await n.run(schedule_both(n, sleep));
}

}  // namespace

TEST_CASE("a nursery waits for its tasks and keeps them, whatever came of them", "[waiting]") {
    virtual_loop v;
    auto body = [](nursery<int>& n) -> coro<std::string> {
        n.schedule_coro(after(3s, 3));
        n.schedule_coro(fail_after(1s));
        auto t = n.schedule_coro(after(9s, 9));
        co_await coroscope::sleep_for(2s);
        t.cancel();
        co_return n.pending() == 2 ? "two pending" : "?";
    };
    auto use = [](auto b) -> coro<std::string> {
        nursery<int> n;
        auto text = co_await n.run(b(n));
        const auto tasks = n.finished();
        text += " " + std::to_string(tasks.size()) + " " + std::to_string(tasks[0].result());
        text += tasks[1].exception() != nullptr ? " failed" : "";
        text += tasks[2].cancelled() ? " cancelled" : "";
        co_return text;
    };
    CHECK(v.loop.run_until_complete(use(body)) == "two pending 3 3 failed cancelled");
    CHECK(v.clock.elapsed() == 3s);
    CHECK(v.reported.empty());
}

TEST_CASE("a nursery waits for what is scheduled while it waits, and takes nothing later",
          "[waiting]") {
    virtual_loop v;
    auto more = [](nursery<int>& n) -> coro<int> {
        co_await coroscope::sleep_for(1s);
        n.schedule_coro(after(1s, 2));
        co_return 1;
    };
    auto body = [](nursery<int>& n, auto m) -> coro<> {
        n.schedule_coro(m(n));
        co_return;
    };
    auto use = [](auto b, auto m) -> coro<std::string> {
        nursery<int> n;
        co_await n.run(b(n, m));
        std::string text = std::to_string(n.finished().size());
        try {
            n.schedule_coro(after(0s, 0));
        } catch (const coroscope::invalid_state_error&) { text += " closed"; }
        co_return text;
    };
    CHECK(v.loop.run_until_complete(use(body, more)) == "2 closed");
    CHECK(v.clock.elapsed() == 2s);
}

TEST_CASE("a body that throws is waited for, and its exception is passed on", "[waiting]") {
    virtual_loop v;
    auto body = [](nursery<int>& n) -> coro<> {
        n.schedule_coro(after(3s, 3));
        co_await coroscope::yield_now();
        throw std::runtime_error("body");
    };
    auto use = [](auto b) -> coro<> {
        nursery<int> n;
        co_await n.run(b(n));
    };
    CHECK_THROWS_WITH(v.loop.run_until_complete(use(body)), "body");
    CHECK(v.clock.elapsed() == 3s);
}

TEST_CASE("cancelling the user cancels the tasks, but not the shielded ones", "[waiting]") {
    virtual_loop v;
    const auto sleep = GENERATE(duration(0), duration(1h));  // winds up, or runs its body
    nursery<int> n;
    auto t = v.loop.create_task(run_both(n, sleep));
    v.loop.call_later(2s, [&] { t.cancel("stop"); });
    CHECK_THROWS_WITH(v.loop.run_until_complete(t), "stop");
    CHECK(v.clock.elapsed() == 2s);
    REQUIRE(n.finished().size() == 1);
    CHECK(n.finished()[0].cancelled());
    v.loop.run_until_complete(after(3s, 0));
    CHECK(n.finished().size() == 2);
    CHECK(n.finished()[0].result() == 1);
}

TEST_CASE("an exception in a nursery that nobody looks at reaches the exception handler",
          "[waiting]") {
    virtual_loop v;
    auto body = [](nursery<int>& n) -> coro<> {
        n.schedule_coro(fail_after(1s));
        co_return;
    };
    auto use = [](auto b) -> coro<> {
        nursery<int> n;
        co_await n.run(b(n));
    };
    v.loop.run_until_complete(use(body));
    CHECK(v.reported.size() == 1);
}

TEST_CASE("a nursery goes with a loop that closes", "[waiting]") {
    auto v = std::make_unique<virtual_loop>();
    nursery<int> n;
    auto t = v->loop.create_task(run_both(n, 1s));
    v->loop.call_later(2s, [&] { v->loop.stop(); });
    v->loop.run_forever();
    v.reset();
    CHECK(t.cancelled());
    CHECK(n.pending() == 0);
}
