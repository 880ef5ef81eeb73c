// SPDX-License-Identifier: Apache-2.0
// Cancels at every single step, so that no suspension point is left out.
#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/exit_stack.hpp>
#include <coroscope/runtime/nursery.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/runtime/task_group.hpp>
#include <coroscope/runtime/with.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <functional>
#include <stdexcept>
#include <utility>
#include <vector>

using coroscope::cancelled_error;
using coroscope::coro;
using coroscope::task;
using namespace std::chrono_literals;

namespace {

/// What a scenario counts; each must be even at the end.
struct counts {
    int begun = 0;
    int ended = 0;
};

/// A few trips through the ready queue; takes some more to end when cancelled.
coro<int> trips(counts& c, int n) {
    struct mark {
        counts& to;
        explicit mark(counts& x) : to(x) { ++to.begun; }
        mark(const mark&) = delete;
        mark& operator=(const mark&) = delete;
        ~mark() { ++to.ended; }
    };
    const mark m(c);
    bool cancelled = false;
    try {
        for (int i = 0; i < n; ++i) {
            co_await coroscope::yield_now();
        }
    } catch (const cancelled_error&) { cancelled = true; }
    if (cancelled) {
        co_await coroscope::yield_now();
        throw cancelled_error();
    }
    co_return n;
}

coro<int> failing_trips(counts& c, int n) {
    co_await trips(c, n);
    throw std::runtime_error("trip failed");
}

/// Runs f after `steps` passes of the loop.
void after_passes(coroscope::loop& l, int steps, std::function<void()> f) {
    if (steps == 0) {
        f();
    } else {
        l.call_soon([&l, steps, f = std::move(f)] { after_passes(l, steps - 1, f); });
    }
}

/// Runs the scenario again and again, cancelled after 0, 1, 2 ... passes, until it is done before
/// that; `check` looks at each end.
template <class Scenario, class Check>
int sweep(Scenario scenario, Check check) {
    for (int steps = 0; steps < 100; ++steps) {
        virtual_loop v;
        counts c;
        auto t = v.loop.create_task(scenario(c));
        bool was_cancelled = false;
        after_passes(v.loop, steps, [&] { was_cancelled = t.cancel(); });
        auto end = [](task<int> which) -> coro<> {
            co_await coroscope::wait(which);
        };
        v.loop.run_until_complete(end(t));
        INFO("cancelled after " << steps << " passes");
        check(t, c);
        if (!was_cancelled) { return steps; }
        CHECK(t.cancelling() == 1);
        v.loop.run_until_complete(trips(c, 20));
        CHECK(all_tasks(v.loop).empty());
        CHECK(v.loop.pending_deadlines().empty());
        CHECK(c.begun == c.ended);
    }
    FAIL("the scenario never ends");
    return 0;
}

void expect_cancelled_or(int result, const task<int>& t) {
    CHECK((t.cancelled() || t.result() == result));
}

}  // namespace

TEST_CASE("a task_group that is cancelled at any step leaves no task behind", "[waiting]") {
    auto scenario = [](counts& c) -> coro<int> {
        auto body = [](coroscope::task_group& g, counts& to) -> coro<int> {
            g.create_task(trips(to, 3));
            co_await trips(to, 2);
            g.create_task(trips(to, 5));
            co_return 7;
        };
        coroscope::task_group g;
        counts own;
        const int n = co_await g.run(body(g, own));
        c = own;
        co_return own.begun == own.ended ? n : 0;
    };
    CHECK(sweep(scenario, [](const task<int>& t, const counts&) { expect_cancelled_or(7, t); })
          > 5);
}

TEST_CASE("a failing task_group that is cancelled at any step has all tasks ended", "[waiting]") {
    auto scenario = [](counts& c) -> coro<int> {
        auto body = [](coroscope::task_group& g, counts& to) -> coro<int> {
            g.create_task(trips(to, 9));
            g.create_task(failing_trips(to, 3));
            const int n = co_await trips(to, 9);
            co_return n;
        };
        coroscope::task_group g;
        bool failed = false;
        try {
            co_await g.run(body(g, c));
        } catch (const coroscope::exception_group&) { failed = true; }
        const bool all_ended = c.begun == c.ended;
        if (failed) { co_await coroscope::yield_now(); }  // a cancellation kept back comes here
        co_return failed&& all_ended ? 7 : 0;
    };
    CHECK(sweep(scenario,
                [](const task<int>& t, const counts& c) {
                    expect_cancelled_or(7, t);
                    CHECK(c.begun == c.ended);
                })
          > 3);
}

TEST_CASE("a resource is released once, at whatever step its user is cancelled", "[waiting]") {
    struct resource {
        counts& to;
        explicit resource(counts& c) : to(c) {}
        coro<> enter() {
            co_await coroscope::yield_now();
            ++to.begun;
        }
        coro<> exit(std::exception_ptr) {
            co_await coroscope::yield_now();
            co_await coroscope::yield_now();
            ++to.ended;
        }
    };
    auto scenario = [](counts& c) -> coro<int> {
        auto stacked = [](coroscope::exit_stack& stack, counts& to) -> coro<int> {
            co_await stack.enter(resource(to));
            co_await stack.enter(resource(to));
            co_await coroscope::yield_now();
            co_return 3;
        };
        auto body = [](auto inner, counts& to) -> coro<int> {
            coroscope::exit_stack stack;
            const int n = co_await stack.run(inner(stack, to));
            co_return n;
        };
        resource outer(c);
        const int n = co_await coroscope::with(outer, body, stacked, c);
        co_return n + 4;
    };
    CHECK(sweep(scenario,
                [](const task<int>& t, const counts& c) {
                    expect_cancelled_or(7, t);
                    CHECK(c.begun == c.ended);
                })
          > 8);
}

TEST_CASE("wait, as_completed and shield that are cancelled at any step spare the tasks",
          "[waiting]") {
    auto scenario = [](counts& c) -> coro<int> {
        auto& l = coroscope::get_running_loop();
        std::vector<task<int>> tasks{l.create_task(trips(c, 3)), l.create_task(trips(c, 5)),
                                     l.create_task(trips(c, 7))};
        co_await coroscope::wait(tasks, coroscope::return_when::first_completed, 1h);
        auto finished = coroscope::as_completed(tasks, 1h);
        co_await finished.next();
        co_await finished.next();
        const int n = co_await coroscope::shield(tasks[2]);
        co_return n;
    };
    virtual_loop v;
    CHECK(sweep(scenario, [](const task<int>& t, const counts&) { expect_cancelled_or(7, t); })
          > 5);
}

TEST_CASE("a nursery that is cancelled at any step waits for what it cancels", "[waiting]") {
    auto scenario = [](counts& c) -> coro<int> {
        auto body = [](coroscope::nursery<int>& n, counts& to) -> coro<> {
            n.schedule_coro(trips(to, 4));
            n.schedule_coro(failing_trips(to, 2));
            co_await trips(to, 2);
        };
        coroscope::nursery<int> n;
        co_await n.run(body(n, c));
        for (const auto& t : n.finished()) {
            if (!t.cancelled()) { static_cast<void>(t.exception()); }
        }
        co_return static_cast<int>(n.finished().size()) + 5;
    };
    CHECK(sweep(scenario,
                [](const task<int>& t, const counts& c) {
                    expect_cancelled_or(7, t);
                    CHECK(c.begun == c.ended);
                })
          > 3);
}

TEST_CASE("a timeout_scope that is cancelled at any step leaves no timer and no request",
          "[waiting]") {
    auto scenario = [](counts& c) -> coro<int> {
        coroscope::timeout_scope outer(2h);
        auto inner = [](counts& to) -> coro<int> {
            coroscope::timeout_scope scope(1h);
            const int n = co_await scope.run(trips(to, 4));
            co_return n;
        };
        const int n = co_await outer.run(inner(c));
        co_return n + 3;
    };
    CHECK(sweep(scenario,
                [](const task<int>& t, const counts& c) {
                    expect_cancelled_or(7, t);
                    CHECK(c.begun == c.ended);
                })
          > 3);
}
