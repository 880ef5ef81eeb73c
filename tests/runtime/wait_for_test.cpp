// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/sleep.hpp>

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
using coroscope::task;
using coroscope::timeout_error;
using coroscope::wait_for;
using namespace std::chrono_literals;

namespace {

coro<int> after(duration d, int n) {
    co_await coroscope::sleep_for(d);
    co_return n;
}

/// Ends with a result despite a cancellation.
coro<int> stubborn(duration more) {
    int n = 0;
    try {
        co_await coroscope::sleep_for(1h);
    } catch (const cancelled_error&) { n = 1; }
    co_await coroscope::sleep_for(more);
    co_return n;
}

template <class T>
T run_in(virtual_loop& v, coro<T> work) {
    return v.loop.run_until_complete(std::move(work));
}

}  // namespace

TEST_CASE("wait_for gives the result of what finishes in time, and leaves no timer") {
    virtual_loop v;
    CHECK(run_in(v, wait_for(after(3s, 7), 4s)) == 7);
    CHECK(v.clock.elapsed() == 3s);
    CHECK(v.loop.pending_deadlines().empty());
    auto nothing = []() -> coro<> {
        co_await coroscope::yield_now();
    };
    run_in(v, wait_for(nothing(), 1s));
}

TEST_CASE("wait_for passes references and move-only results through") {
    virtual_loop v;
    int target = 0;
    auto reference = [](int& t) -> coro<int&> {
        co_return t;
    };
    CHECK(&run_in(v, wait_for(reference(target), 1s)) == &target);
    auto owner = []() -> coro<std::unique_ptr<int>> {
        co_return std::make_unique<int>(3);
    };
    CHECK(*run_in(v, wait_for(owner(), 1s)) == 3);
    CHECK(*run_in(v, wait_for(v.loop.create_task(owner()), 1s)) == 3);
}

TEST_CASE("wait_for cancels what is late and throws timeout_error with the time and the place") {
    virtual_loop v;
    CHECK_THROWS_WITH(run_in(v, wait_for(after(4s, 7), 3s)),
                      Catch::Contains("within 3.0") && Catch::Contains("wait_for_test.cpp:"));
    CHECK(v.clock.elapsed() == 3s);
    CHECK(all_tasks(v.loop).empty());
    CHECK(v.loop.pending_deadlines().empty());
}

TEST_CASE("the time of a wait_for begins when it is awaited") {
    virtual_loop v;
    auto body = []() -> coro<int> {
        auto later = wait_for(after(1s, 5), 2s);
        co_await coroscope::sleep_for(10s);
        const int n = co_await std::move(later);
        co_return n;
    };
    CHECK(run_in(v, body()) == 5);
}

TEST_CASE("a timeout of zero or less lets through what needs no waiting, and nothing else") {
    virtual_loop v;
    const auto timeout = GENERATE(duration(0), duration(-1s), duration::min());
    auto immediate = []() -> coro<int> {
        co_return 1;
    };
    CHECK(run_in(v, wait_for(immediate(), timeout)) == 1);
    CHECK_THROWS_AS(run_in(v, wait_for(after(1s, 1), timeout)), timeout_error);
    CHECK(v.clock.elapsed() == 0s);
}

TEST_CASE("the longest timeout never comes") {
    virtual_loop v;
    CHECK(run_in(v, wait_for(after(100'000h, 1), duration::max())) == 1);
}

TEST_CASE("an exception from within passes through wait_for") {
    virtual_loop v;
    auto thrower = []() -> coro<int> {
        co_await coroscope::sleep_for(1s);
        throw std::out_of_range("inside");
    };
    CHECK_THROWS_AS(run_in(v, wait_for(thrower(), 2s)), std::out_of_range);
    CHECK_THROWS_AS(run_in(v, wait_for(v.loop.create_task(thrower()), 2s)), std::out_of_range);
    CHECK(v.loop.pending_deadlines().empty());
}

TEST_CASE("nested timeouts: the inner one is told at the inner await, the outer at the outer") {
    virtual_loop v;
    auto inner_expires = []() -> coro<std::string> {
        std::string what = "nothing";
        try {
            co_await wait_for(after(10s, 1), 1s);
        } catch (const timeout_error&) { what = "inner"; }
        co_await coroscope::sleep_for(1s);
        co_return what;
    };
    CHECK(run_in(v, wait_for(inner_expires(), 5s)) == "inner");
    auto outer_expires = []() -> coro<std::string> {
        std::string what = "nothing";
        try {
            co_await wait_for(after(10s, 1), 5s);
        } catch (const timeout_error&) { what = "inner"; }
        co_return what;
    };
    CHECK_THROWS_AS(run_in(v, wait_for(outer_expires(), 1s)), timeout_error);
    CHECK(v.clock.elapsed() == 3s);
}

TEST_CASE("nested timeouts that expire at the same instant: the outer one wins") {
    virtual_loop v;
    auto inner = []() -> coro<int> {
        const int n = co_await wait_for(after(10s, 1), 1s);
        co_return n;
    };
    std::string who;
    auto outer = [](coro<int> i, std::string& to) -> coro<> {
        try {
            co_await wait_for(std::move(i), 1s);
        } catch (const timeout_error&) { to = "outer"; }
        co_await coroscope::sleep_for(1s);  // no stray request is left
    };
    run_in(v, outer(inner(), who));
    CHECK(who == "outer");
    CHECK(v.clock.elapsed() == 2s);
}

TEST_CASE("a cancellation from outside stays one, also when the timeout comes with it") {
    virtual_loop v;
    const auto at = GENERATE(duration(500ms), duration(1s));
    auto body = []() -> coro<int> {
        const int n = co_await wait_for(after(1h, 1), 1s);
        co_return n;
    };
    auto t = v.loop.create_task(body());
    v.loop.call_later(at, [&] { t.cancel("outside"); });
    CHECK_THROWS_AS(v.loop.run_until_complete(t), cancelled_error);
    CHECK(t.cancelled());
    CHECK(v.clock.elapsed() == at);
}

TEST_CASE("after a timeout the task has no cancellation left and can be cancelled anew") {
    virtual_loop v;
    auto body = []() -> coro<std::uint32_t> {
        try {
            co_await wait_for(after(1h, 1), 1s);
        } catch (const timeout_error&) {}  // NOLINT(bugprone-empty-catch): expected
        const auto left = coroscope::current_task().cancelling();
        co_await coroscope::sleep_for(10s);
        co_return left;
    };
    CHECK(run_in(v, body()) == 0);
    auto t = v.loop.create_task(body());
    v.loop.call_later(5s, [&] { t.cancel(); });
    CHECK_THROWS_AS(v.loop.run_until_complete(t), cancelled_error);
}

TEST_CASE("what swallows the timeout's cancellation keeps its result, and no request is left") {
    virtual_loop v;
    auto body = [](virtual_loop& in) -> coro<duration> {
        const int n = co_await wait_for(stubborn(5s), 1s);
        co_await coroscope::sleep_for(duration(n * 1s));
        co_return in.clock.elapsed();
    };
    CHECK(run_in(v, body(v)) == 7s);
    auto of_task = [](coroscope::loop& l) -> coro<int> {
        const int n = co_await wait_for(l.create_task(stubborn(5s)), 1s);
        co_await coroscope::yield_now();
        co_return n;
    };
    CHECK(run_in(v, of_task(v.loop)) == 1);
}

TEST_CASE("a task that waits with a timeout is cancelled by it, and is awaited until it ended") {
    virtual_loop v;
    auto slow_to_end = [](bool& ended) -> coro<int> {
        struct flag {
            bool& b;
            explicit flag(bool& x) : b(x) {}
            flag(const flag&) = delete;
            flag& operator=(const flag&) = delete;
            ~flag() { b = true; }
        };
        const flag f(ended);
        co_await coroscope::sleep_for(1h);
        co_return 1;
    };
    bool ended = false;
    auto t = v.loop.create_task(slow_to_end(ended));
    CHECK_THROWS_AS(run_in(v, wait_for(t, 1s)), timeout_error);
    CHECK(ended);
    CHECK(t.cancelled());
}

TEST_CASE("wait_for works on futures and gathers") {
    virtual_loop v;
    auto f = v.loop.create_future<int>();
    CHECK_THROWS_AS(run_in(v, wait_for(f, 1s)), timeout_error);
    CHECK(f.cancelled());
    auto g = v.loop.create_future<int>();
    v.loop.call_later(1s, [&] { g.set_result(4); });
    CHECK(run_in(v, wait_for(g, 2s)) == 4);
    auto body = []() -> coro<int> {
        auto [a, b] = co_await wait_for(coroscope::gather(after(1s, 1), after(2s, 2)), 3s);
        bool timed_out = false;
        try {
            co_await wait_for(coroscope::gather(after(5s, 1), after(6s, 2)), 3s);
        } catch (const timeout_error&) { timed_out = true; }
        co_return timed_out ? a + b : 0;
    };
    CHECK(run_in(v, body()) == 3);
    CHECK(all_tasks(v.loop).empty());
}

TEST_CASE("what is done before the timeout could be delivered counts as in time") {
    virtual_loop v;
    // Both become due in one pass: the value is there before the waiting task runs again.
    auto f = v.loop.create_future<int>();
    v.loop.call_later(1s, [&] { f.set_result(6); });
    auto t = v.loop.create_task(wait_for(f, 1s));
    CHECK(v.loop.run_until_complete(t) == 6);
    CHECK(t.cancelling() == 0);

    auto g = v.loop.create_future<int>();
    v.loop.call_later(1s, [&] { g.set_exception(std::runtime_error("in time")); });
    CHECK_THROWS_WITH(v.loop.run_until_complete(v.loop.create_task(wait_for(g, 1s))), "in time");
}

TEST_CASE("of a sleep and a timeout of the same length the timeout was armed first and wins") {
    virtual_loop v;
    CHECK_THROWS_AS(run_in(v, wait_for(after(1s, 1), 1s)), timeout_error);
}

TEST_CASE("a thousand timeouts in one task leave nothing behind") {
    virtual_loop v;
    auto body = []() -> coro<int> {
        int late = 0;
        for (int i = 0; i < 1000; ++i) {
            try {
                co_await wait_for(after(i % 2 == 0 ? 1s : 3s, 1), 2s);
            } catch (const timeout_error&) { ++late; }
        }
        co_return late;
    };
    CHECK(run_in(v, body()) == 500);
    CHECK(v.loop.pending_deadlines().empty());
    CHECK(v.clock.elapsed() == 500 * 3s);
}
