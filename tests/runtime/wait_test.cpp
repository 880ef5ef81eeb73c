// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/wait.hpp>

#include <coroscope/runtime/future.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "runtime/delayed.hpp"
#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <list>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using coroscope::any_task;
using coroscope::cancelled_error;
using coroscope::coro;
using coroscope::duration;
using coroscope::return_when;
using coroscope::task;
using coroscope::wait;
using namespace std::chrono_literals;

namespace {

struct counts {
    std::size_t done = 0;
    std::size_t pending = 0;
    duration at{};
    bool operator==(const counts&) const = default;
};

/// Waits; returns how many are done and pending, and when.
coro<counts> wait_and_count(std::vector<task<int>> tasks, return_when when,
                            duration timeout = duration::max()) {
    auto result = co_await wait(tasks, when, timeout);
    counts c;
    c.done = result.done.size();
    c.pending = result.pending.size();
    c.at = coroscope::get_running_loop().time().time_since_epoch();
    co_return c;
}

struct three {
    explicit three(virtual_loop& v)
        : tasks{v.loop.create_task(after(3s, 3)), v.loop.create_task(fail_after(2s)),
                v.loop.create_task(after(1s, 1))} {}
    std::vector<task<int>> tasks;
};

}  // namespace

TEST_CASE("wait returns when the first task is done", "[waiting]") {
    virtual_loop v;
    const three t(v);
    const auto c = v.loop.run_until_complete(wait_and_count(t.tasks, return_when::first_completed));
    CHECK(c == counts{1, 2, 1s});
}

TEST_CASE("wait returns when the first task fails", "[waiting]") {
    virtual_loop v;
    const three t(v);
    const auto c = v.loop.run_until_complete(wait_and_count(t.tasks, return_when::first_exception));
    CHECK(c == counts{2, 1, 2s});
    CHECK(t.tasks[1].exception() != nullptr);
}

TEST_CASE("wait returns when all tasks are done, failed ones included", "[waiting]") {
    virtual_loop v;
    const three t(v);
    const auto c = v.loop.run_until_complete(wait_and_count(t.tasks, return_when::all_completed));
    CHECK(c == counts{3, 0, 3s});
    CHECK(t.tasks[1].exception() != nullptr);
}

TEST_CASE("to wait, a cancelled task is done but has not failed", "[waiting]") {
    virtual_loop v;
    std::vector<task<int>> tasks{v.loop.create_task(after(1h, 1)),
                                 v.loop.create_task(after(2s, 2))};
    v.loop.call_later(1s, [&] { tasks[0].cancel(); });
    const auto c = v.loop.run_until_complete(wait_and_count(tasks, return_when::first_exception));
    CHECK(c == counts{2, 0, 2s});
}

TEST_CASE("the sets of wait are in the order of the arguments", "[waiting]") {
    virtual_loop v;
    auto body = [](coroscope::loop& l) -> coro<std::vector<int>> {
        std::vector<task<int>> tasks;
        for (int i = 0; i < 5; ++i) {
            tasks.push_back(l.create_task(after(std::chrono::seconds(5 - i), i)));
        }
        auto r = co_await wait(tasks, return_when::all_completed, 3s);
        std::vector<int> order;
        for (const auto& t : r.done) {
            order.push_back(t.result());
        }
        order.push_back(-1);
        for (const auto& t : r.pending) {
            order.push_back(static_cast<int>(t.id()));
        }
        co_return order;
    };
    // The timer of 3 s was armed first, so that the task of 3 s is not done when the waiter runs.
    CHECK(v.loop.run_until_complete(body(v.loop)) == std::vector<int>{3, 4, -1, 2, 3, 4});
}

TEST_CASE("the timeout of wait cancels nothing and is no error", "[waiting]") {
    virtual_loop v;
    const three t(v);
    const auto c =
        v.loop.run_until_complete(wait_and_count(t.tasks, return_when::all_completed, 500ms));
    CHECK(c == counts{0, 3, 500ms});
    CHECK(v.loop.run_until_complete(t.tasks[0]) == 3);
    CHECK(t.tasks[1].exception() != nullptr);
}

TEST_CASE("a timeout of zero or less looks once and leaves no timer", "[waiting]") {
    virtual_loop v;
    const three t(v);
    const auto timeout = GENERATE(duration(0), duration(-1s), duration::min());
    auto c =
        v.loop.run_until_complete(wait_and_count(t.tasks, return_when::first_completed, timeout));
    CHECK(c == counts{0, 3, 0s});
    CHECK(t.tasks[2].done() == false);
    v.loop.run_until_complete(wait_and_count(t.tasks, return_when::all_completed));
    CHECK(t.tasks[1].exception() != nullptr);
    CHECK(v.loop.pending_deadlines().empty());
}

TEST_CASE("wait that is satisfied in time leaves no timer behind", "[waiting]") {
    virtual_loop v;
    std::vector<task<int>> tasks{v.loop.create_task(after(1s, 1))};
    const auto c = v.loop.run_until_complete(wait_and_count(tasks, return_when::all_completed, 1h));
    CHECK(c == counts{1, 0, 1s});
    CHECK(v.loop.pending_deadlines().empty());
}

TEST_CASE("wait returns at once if enough tasks are done already", "[waiting]") {
    virtual_loop v;
    auto body = [](coroscope::loop& l) -> coro<bool> {
        auto early = l.create_task(after(0s, 1));
        auto late = l.create_task(after(1h, 2));
        co_await early;
        const auto steps = l.statistics().steps;
        auto r = co_await wait(return_when::first_completed, early, late);
        late.cancel();
        co_return r.done.size() == 1 && r.pending.front() == late&& l.statistics().steps == steps;
    };
    CHECK(v.loop.run_until_complete(body(v.loop)));
}

TEST_CASE("a task that is named twice counts once", "[waiting]") {
    virtual_loop v;
    auto t = v.loop.create_task(after(1s, 1));
    const std::vector<task<int>> tasks{t, t, t};
    const auto c = v.loop.run_until_complete(wait_and_count(tasks, return_when::all_completed));
    CHECK(c == counts{1, 0, 1s});
}

TEST_CASE("wait takes any range of tasks, and tasks of several types", "[waiting]") {
    virtual_loop v;
    auto body = [](coroscope::loop& l) -> coro<std::size_t> {
        auto text = []() -> coro<std::string> {
            co_return "x";
        };
        auto a = l.create_task(after(1s, 1));
        auto b = l.create_task(text());
        auto mixed = co_await wait(a, b);
        STATIC_REQUIRE(std::is_same_v<decltype(mixed.done), std::vector<any_task>>);
        auto same = co_await wait(a, a);
        STATIC_REQUIRE(std::is_same_v<decltype(same.done), std::vector<task<int>>>);
        std::list<any_task> list;
        list.push_back(a);
        list.push_back(b);
        auto listed = co_await wait(list);
        co_return mixed.done.size() * 100 + same.done.size() * 10 + listed.done.size();
    };
    CHECK(v.loop.run_until_complete(body(v.loop)) == 212);
}

TEST_CASE("wait refuses no tasks, empty handles, the waiting task and other loops' tasks",
          "[waiting]") {
    virtual_loop v;
    virtual_loop other;
    CHECK_THROWS_AS(wait(std::vector<task<int>>()), std::invalid_argument);
    CHECK_THROWS_WITH(wait(std::vector<task<int>>(1)), Catch::Contains("empty task handle"));
    auto self = []() -> coro<> {
        co_await wait(coroscope::current_task());
    };
    CHECK_THROWS_WITH(v.loop.run_until_complete(self()), Catch::Contains("waits for itself"));
    auto foreign = [](task<int> t) -> coro<> {
        co_await wait(t);
    };
    auto theirs = other.loop.create_task(after(1s, 1));
    CHECK_THROWS_WITH(v.loop.run_until_complete(foreign(theirs)), Catch::Contains("another loop"));
    CHECK(other.loop.run_until_complete(theirs) == 1);
}

TEST_CASE("cancelling the waiter leaves the tasks alone", "[waiting]") {
    virtual_loop v;
    auto inner = v.loop.create_task(after(2s, 5));
    auto waiter = v.loop.create_task(
        wait_and_count(std::vector<task<int>>{inner}, return_when::all_completed, 1h));
    const bool before_it_began = GENERATE(true, false);
    if (before_it_began) {
        waiter.cancel("enough");
    } else {
        v.loop.call_later(1s, [&] { waiter.cancel("enough"); });
    }
    CHECK_THROWS_WITH(v.loop.run_until_complete(waiter), "enough");
    CHECK(waiter.cancelled());
    CHECK(v.clock.elapsed() == (before_it_began ? 0s : 1s));
    CHECK(v.loop.run_until_complete(inner) == 5);
    CHECK(v.clock.elapsed() == 2s);
    CHECK(v.loop.pending_deadlines().empty());
}

TEST_CASE("a cancellation that is pending when wait begins is thrown by it", "[waiting]") {
    virtual_loop v;
    auto inner = v.loop.create_task(after(1s, 5));
    auto body = [](task<int> t) -> coro<> {
        coroscope::current_task().cancel("now");
        co_await wait(return_when::all_completed, t);
    };
    CHECK_THROWS_WITH(v.loop.run_until_complete(body(inner)), "now");
    CHECK(v.loop.run_until_complete(inner) == 5);
}

TEST_CASE("a waiter that is cancelled after its wait was satisfied is cancelled", "[waiting]") {
    virtual_loop v;
    auto f = v.loop.create_future<int>();
    auto reader = [](coroscope::future<int> from) -> coro<int> {
        const int n = co_await from;
        co_return n;
    };
    auto inner = v.loop.create_task(reader(f));
    auto waiter = v.loop.create_task(
        wait_and_count(std::vector<task<int>>{inner}, return_when::all_completed, 1h));
    v.loop.call_later(1s, [&] {
        f.set_result(1);
        v.loop.call_soon([&] { waiter.cancel(); });  // behind inner's step, before the waiter's
    });
    CHECK_THROWS_AS(v.loop.run_until_complete(waiter), cancelled_error);
    CHECK(inner.result() == 1);
    CHECK(v.loop.pending_deadlines().empty());
}

TEST_CASE("tasks that end after the wait do not disturb the waiter", "[waiting]") {
    virtual_loop v;
    auto body = [](coroscope::loop& l) -> coro<duration> {
        auto first = l.create_task(after(1s, 1));
        auto second = l.create_task(after(2s, 2));
        co_await wait(return_when::first_completed, first, second);
        co_await coroscope::sleep_for(5s);
        co_return l.time().time_since_epoch();
    };
    CHECK(v.loop.run_until_complete(body(v.loop)) == 6s);
}

TEST_CASE("a waiter whose loop closes is destroyed with its tasks", "[waiting]") {
    auto v = std::make_unique<virtual_loop>();
    auto inner = v->loop.create_task(after(1h, 1));
    auto waiter = v->loop.create_task(
        wait_and_count(std::vector<task<int>>{inner}, return_when::all_completed, 2h));
    v->loop.call_later(1s, [&] { v->loop.stop(); });
    v->loop.run_forever();
    v.reset();
    CHECK(inner.cancelled());
    CHECK(waiter.cancelled());
}

TEST_CASE("a waiting task is listed as waiting on a group", "[waiting]") {
    virtual_loop v;
    auto inner = v.loop.create_task(after(2s, 1));
    auto waiter = v.loop.create_task(
        wait_and_count(std::vector<task<int>>{inner}, return_when::all_completed));
    coroscope::wait_kind kind{};
    v.loop.call_later(1s, [&] { kind = waiter.core().record().waits_for.load(); });
    v.loop.run_until_complete(waiter);
    CHECK(kind == coroscope::wait_kind::group);
}
