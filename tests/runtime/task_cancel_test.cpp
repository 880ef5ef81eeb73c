// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/future.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/runtime/task.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using coroscope::cancelled_error;
using coroscope::coro;
using coroscope::task;
using namespace std::chrono_literals;

namespace {

void pass(virtual_loop& v) {
    v.loop.stop();
    v.loop.run_forever();
}

coro<> sleep_long(bool& ended_normally) {
    co_await coroscope::sleep_for(10h);
    ended_normally = true;
}

/// Sleeps; says how it was cancelled, and lets the cancellation out.
coro<> sleeper(std::string& said) {
    try {
        co_await coroscope::sleep_for(10h);
        said = "slept";
    } catch (const cancelled_error& e) {
        said = e.what();
        throw;
    }
}

/// Ignores so many cancellations, then sleeps on and returns how many it saw.
coro<int> stubborn(int ignored) {
    int seen = 0;
    while (seen < ignored) {
        try {
            co_await coroscope::sleep_for(1h);
            break;
        } catch (const cancelled_error&) { ++seen; }
    }
    co_await coroscope::sleep_for(1h);
    co_return seen;
}

coro<> await_task(task<> other) {
    co_await other;
}

coro<> await_future(coroscope::future<int> f) {
    co_await f;
}

}  // namespace

TEST_CASE("a task cancelled before its first step never runs, and its arguments are destroyed") {
    virtual_loop v;
    auto token = std::make_shared<int>();
    bool ran = false;
    auto body = [](std::shared_ptr<int>, bool& flag) -> coro<> {
        flag = true;
        co_return;
    };
    auto t = v.loop.create_task(body(token, ran));
    CHECK(t.cancel("never mind"));
    CHECK(token.use_count() == 2);
    pass(v);
    CHECK(t.cancelled());
    CHECK_FALSE(ran);
    CHECK(token.use_count() == 1);
    CHECK_THROWS_AS(t.exception(), cancelled_error);
    CHECK_THROWS_WITH(t.result(), "never mind");
    CHECK(v.reported.empty());
}

TEST_CASE("cancelling a sleeping task throws at its await, with the message, at once") {
    virtual_loop v;
    std::string said;
    auto t = v.loop.create_task(sleeper(said));
    v.loop.call_later(3s, [&] { t.cancel("enough"); });
    CHECK_THROWS_WITH(v.loop.run_until_complete(t), "enough");
    CHECK(said == "enough");
    CHECK(t.cancelled());
    CHECK(v.clock.elapsed() == 3s);
    CHECK(v.loop.pending_deadlines().empty());
}

TEST_CASE("a later cancellation without a message does not repeat an older one") {
    virtual_loop v;
    auto body = [](std::vector<std::string>& said) -> coro<> {
        for (int i = 0; i < 2; ++i) {
            try {
                co_await coroscope::sleep_for(1h);
            } catch (const cancelled_error& e) { said.push_back(e.message()); }
        }
    };
    std::vector<std::string> said;
    auto t = v.loop.create_task(body(said));
    pass(v);
    t.cancel("first");
    pass(v);
    t.cancel();
    v.loop.run_until_complete(t);
    CHECK(said == std::vector<std::string>{"first", ""});
}

TEST_CASE("cancelling a task that awaits a task cancels that one, message and all") {
    virtual_loop v;
    std::string said;
    auto child = v.loop.create_task(sleeper(said));
    auto parent = v.loop.create_task(await_task(child));
    pass(v);
    CHECK(parent.cancel("from above"));
    CHECK(child.cancelling() == 1);
    v.loop.run_forever();
    CHECK(child.cancelled());
    CHECK(parent.cancelled());
    CHECK(said == "from above");
    CHECK_THROWS_WITH(parent.result(), "from above");
}

TEST_CASE("a parent whose child ignores the cancellation gets the child's result") {
    virtual_loop v;
    auto child = v.loop.create_task(stubborn(1));
    auto await_it = [](task<int> t) -> coro<int> {
        const int n = co_await t;
        co_return n;
    };
    auto parent = v.loop.create_task(await_it(child));
    pass(v);
    parent.cancel();
    CHECK(v.loop.run_until_complete(parent) == 1);
}

TEST_CASE("cancelling a task that awaits a future cancels the future and all who await it") {
    virtual_loop v;
    auto f = v.loop.create_future<int>();
    auto a = v.loop.create_task(await_future(f));
    auto b = v.loop.create_task(await_future(f));
    pass(v);
    CHECK(a.cancel("why"));
    CHECK(f.cancelled());
    v.loop.run_forever();
    CHECK(a.cancelled());
    CHECK(b.cancelled());
    CHECK_THROWS_WITH(a.result(), "why");
}

TEST_CASE("a task that is ready when it is cancelled gets it at the await it stands at") {
    virtual_loop v;
    auto f = v.loop.create_future<int>();
    auto t = v.loop.create_task(await_future(f));
    pass(v);
    f.set_result(1);
    CHECK(t.cancel());
    v.loop.run_forever();
    CHECK(t.cancelled());
    CHECK_FALSE(f.cancelled());
}

TEST_CASE("a yielding task that is cancelled gets it at the yield") {
    virtual_loop v;
    auto yielder = [](int& rounds) -> coro<> {
        for (;;) {
            ++rounds;
            co_await coroscope::yield_now();
        }
    };
    int rounds = 0;
    auto t = v.loop.create_task(yielder(rounds));
    pass(v);
    pass(v);
    t.cancel();
    v.loop.run_forever();
    CHECK(t.cancelled());
    CHECK(rounds == 2);
}

TEST_CASE("cancelling a task that is done has no effect") {
    virtual_loop v;
    auto quick = []() -> coro<int> {
        co_return 1;
    };
    auto t = v.loop.create_task(quick());
    pass(v);
    CHECK_FALSE(t.cancel());
    CHECK(t.cancelling() == 0);
    CHECK(t.result() == 1);
}

TEST_CASE("a task may cancel itself; it takes effect at its next await") {
    virtual_loop v;
    auto body = [](std::vector<int>& reached) -> coro<> {
        coroscope::current_task().cancel("by myself");
        reached.push_back(1);
        co_await coroscope::sleep_for(1s);
        reached.push_back(2);
    };
    std::vector<int> reached;
    auto t = v.loop.create_task(body(reached));
    CHECK_THROWS_WITH(v.loop.run_until_complete(t), "by myself");
    CHECK(reached == std::vector<int>{1});
    CHECK(v.clock.elapsed() == 0s);
}

TEST_CASE("a task that cancels itself and then awaits a task or a future cancels that") {
    virtual_loop v;
    bool normal = false;
    auto child = v.loop.create_task(sleep_long(normal));
    auto f = v.loop.create_future<int>();
    auto to_task = [](task<> c) -> coro<> {
        coroscope::current_task().cancel();
        co_await c;
    };
    auto to_future = [](coroscope::future<int> g) -> coro<> {
        coroscope::current_task().cancel();
        co_await g;
    };
    auto a = v.loop.create_task(to_task(child));
    auto b = v.loop.create_task(to_future(f));
    v.loop.run_forever();
    CHECK(a.cancelled());
    CHECK(b.cancelled());
    CHECK(child.cancelled());
    CHECK(f.cancelled());
    CHECK_FALSE(normal);
}

TEST_CASE("a task that cancels itself and ends without another await keeps its result") {
    virtual_loop v;
    auto body = []() -> coro<int> {
        coroscope::current_task().cancel();
        co_return 5;
    };
    CHECK(v.loop.run_until_complete(body()) == 5);
}

TEST_CASE("a swallowed cancellation lets the task go on, and it may be cancelled again") {
    virtual_loop v;
    auto once = v.loop.create_task(stubborn(1));
    auto twice = v.loop.create_task(stubborn(5));
    pass(v);
    once.cancel();
    twice.cancel();
    pass(v);
    CHECK(once.cancelling() == 1);
    twice.cancel();
    v.loop.run_forever();
    CHECK(once.result() == 1);
    CHECK(twice.result() == 2);
    CHECK(twice.cancelling() == 2);
    CHECK(twice.uncancel() == 1);
}

TEST_CASE("uncancel before delivery takes the request back") {
    virtual_loop v;
    bool normal = false;
    auto t = v.loop.create_task(sleep_long(normal));
    t.cancel();
    CHECK(t.uncancel() == 0);
    CHECK(t.uncancel() == 0);
    v.loop.run_forever();
    CHECK(normal);
}

TEST_CASE("cancelling twice before delivery throws once") {
    virtual_loop v;
    auto t = v.loop.create_task(stubborn(2));
    pass(v);
    t.cancel();
    t.cancel();
    v.loop.run_forever();
    CHECK(t.result() == 1);
}

TEST_CASE("cancelling from inside the handling of a cancellation is delivered next") {
    virtual_loop v;
    auto body = [](int& seen) -> coro<> {
        try {
            co_await coroscope::sleep_for(1h);
        } catch (const cancelled_error&) {
            ++seen;
            coroscope::current_task().cancel();
        }
        try {
            co_await coroscope::yield_now();
        } catch (const cancelled_error&) { ++seen; }
    };
    int seen = 0;
    auto t = v.loop.create_task(body(seen));
    pass(v);
    t.cancel();
    v.loop.run_until_complete(t);
    CHECK(seen == 2);
}

TEST_CASE("an exception thrown while a cancellation is handled makes the task failed") {
    virtual_loop v;
    auto body = []() -> coro<> {
        try {
            co_await coroscope::sleep_for(1h);
        } catch (const cancelled_error&) { throw std::runtime_error("cleanup failed"); }
    };
    auto t = v.loop.create_task(body());
    pass(v);
    t.cancel();
    CHECK_THROWS_WITH(v.loop.run_until_complete(t), "cleanup failed");
    CHECK_FALSE(t.cancelled());
}

TEST_CASE("tasks that await each other in a circle can be cancelled") {
    const int size = GENERATE(2, 3, 7);
    const int tail = GENERATE(0, 1, 5);
    virtual_loop v;
    std::vector<task<>> tasks(static_cast<std::size_t>(size + tail));
    auto await_other = [](std::vector<task<>>& all, std::size_t other) -> coro<> {
        co_await all[other];
    };
    for (std::size_t i = 0; i < tasks.size(); ++i) {
        const auto next = i + 1 < tasks.size() ? i + 1 : static_cast<std::size_t>(tail);
        tasks[i] = v.loop.create_task(await_other(tasks, next));
    }
    pass(v);
    tasks[0].cancel();
    v.loop.run_forever();
    for (const auto& t : tasks) {
        CHECK(t.cancelled());
    }
}

TEST_CASE("closing a loop ends tasks that await each other in a circle") {
    virtual_loop v;
    std::vector<task<>> tasks(2);
    auto await_other = [](std::vector<task<>>& all, std::size_t other) -> coro<> {
        co_await all[other];
    };
    tasks[0] = v.loop.create_task(await_other(tasks, 1));
    tasks[1] = v.loop.create_task(await_other(tasks, 0));
    pass(v);
    v.loop.close();
    CHECK(tasks[0].cancelled());
    CHECK(tasks[1].cancelled());
    CHECK(v.reported.size() == 2);
}

TEST_CASE("one awaiter's cancellation cancels the task that others await, too") {
    virtual_loop v;
    bool normal = false;
    auto child = v.loop.create_task(sleep_long(normal));
    auto a = v.loop.create_task(await_task(child));
    auto b = v.loop.create_task(await_task(child));
    pass(v);
    a.cancel();
    v.loop.run_forever();
    CHECK(b.cancelled());
    CHECK(b.cancelling() == 0);
}

TEST_CASE("destructors run in order when a cancellation unwinds") {
    virtual_loop v;
    struct mark {
        std::vector<int>& to;
        int n;
        mark(std::vector<int>& t, int i) : to(t), n(i) {}
        mark(const mark&) = delete;
        mark& operator=(const mark&) = delete;
        ~mark() { to.push_back(n); }
    };
    auto inner = [](std::vector<int>& to) -> coro<> {
        const mark m(to, 1);
        co_await coroscope::sleep_for(1h);
    };
    auto outer = [](coro<> work, std::vector<int>& to) -> coro<> {
        const mark m(to, 2);
        co_await std::move(work);
    };
    std::vector<int> order;
    auto t = v.loop.create_task(outer(inner(order), order));
    pass(v);
    t.cancel();
    v.loop.run_forever();
    CHECK(order == std::vector<int>{1, 2});
}
