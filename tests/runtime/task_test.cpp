// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/task.hpp>

#include <coroscope/runtime/future.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using coroscope::coro;
using coroscope::task;
using namespace std::chrono_literals;

namespace {

coro<int> number(int n) {
    co_await coroscope::yield_now();
    co_return n;
}

coro<> fail(const char* text) {
    co_await coroscope::yield_now();
    throw std::runtime_error(text);
}

coro<> wait_for_gate(coroscope::future<> gate) {
    co_await gate;
}

/// Runs until nothing can happen any more.
void settle(virtual_loop& v) {
    v.loop.run_forever();
}

}  // namespace

TEST_CASE("a task runs by itself, and gives its result when awaited or asked") {
    virtual_loop v;
    auto t = v.loop.create_task(number(5));
    CHECK_FALSE(t.done());
    CHECK_THROWS_AS(t.result(), coroscope::invalid_state_error);
    CHECK_THROWS_AS(t.exception(), coroscope::invalid_state_error);
    settle(v);
    CHECK(t.done());
    CHECK(t.result() == 5);
    CHECK(t.exception() == nullptr);
    CHECK_FALSE(t.cancelled());
    CHECK(v.loop.run_until_complete(t) == 5);
}

TEST_CASE("several tasks may await one, and all get the same object") {
    virtual_loop v;
    auto t = v.loop.create_task(number(6));
    auto look = [](task<int> from, std::vector<const int*>& seen) -> coro<> {
        const int& n = co_await from;
        seen.push_back(&n);
    };
    std::vector<const int*> seen;
    for (int i = 0; i < 3; ++i) {
        v.loop.create_task(look(t, seen));
    }
    settle(v);
    REQUIRE(seen.size() == 3);
    CHECK(*seen[0] == 6);
    CHECK(seen[0] == seen[1]);
    CHECK(seen[1] == seen[2]);
}

TEST_CASE("a move-only result can be moved out of an awaited task") {
    virtual_loop v;
    auto make = []() -> coro<std::unique_ptr<int>> {
        co_return std::make_unique<int>(9);
    };
    auto take = [](task<std::unique_ptr<int>> from) -> coro<int> {
        auto p = co_await std::move(from);
        co_return *p;
    };
    CHECK(v.loop.run_until_complete(take(v.loop.create_task(make()))) == 9);
}

TEST_CASE("an exception reaches everyone who awaits the task, and is not reported") {
    virtual_loop v;
    auto t = v.loop.create_task(fail("seen"));
    int caught = 0;
    auto await_it = [](task<> from, int& count) -> coro<> {
        try {
            co_await from;
        } catch (const std::runtime_error&) { ++count; }
    };
    v.loop.create_task(await_it(t, caught));
    v.loop.create_task(await_it(t, caught));
    settle(v);
    t = {};
    CHECK(caught == 2);
    CHECK(v.reported.empty());
}

TEST_CASE("an exception that nobody retrieves is reported exactly once, with the task") {
    virtual_loop v;
    v.loop.create_task(fail("lost"), "loser");
    settle(v);
    REQUIRE(v.reported.size() == 1);
    CHECK(v.reported[0].message.find("never retrieved") != std::string::npos);
    CHECK(v.reported[0].task_name == "loser");
    CHECK(v.reported[0].task_id == 1);
    CHECK(coroscope::describe(v.reported[0].exception) == "lost");
    CHECK(coroscope::to_string(v.reported[0].created_at).find("task_test.cpp")
          != std::string::npos);
    v.loop.close();
    CHECK(v.reported.size() == 1);
}

TEST_CASE("an exception is reported only when the last handle goes") {
    virtual_loop v;
    auto t = v.loop.create_task(fail("lost"));
    auto copy = t;
    settle(v);
    t = {};
    CHECK(v.reported.empty());
    copy = {};
    CHECK(v.reported.size() == 1);
}

TEST_CASE("asking for the exception, or for the result, counts as retrieving it") {
    virtual_loop v;
    auto asked = v.loop.create_task(fail("one"));
    auto resulted = v.loop.create_task(fail("two"));
    settle(v);
    CHECK(coroscope::describe(asked.exception()) == "one");
    CHECK_THROWS_AS(resulted.result(), std::runtime_error);
    asked = {};
    resulted = {};
    CHECK(v.reported.empty());
}

TEST_CASE("a task whose handle is dropped runs on") {
    virtual_loop v;
    int done = 0;
    auto work = [](int& count) -> coro<> {
        co_await coroscope::sleep_for(1h);
        ++count;
    };
    static_cast<void>(v.loop.create_task(work(done)));
    settle(v);
    CHECK(done == 1);
    CHECK(v.clock.elapsed() == 1h);
}

TEST_CASE("a task handle may outlive its loop") {
    task<int> done;
    task<int> pending;
    task<> failed;
    {
        virtual_loop v;
        done = v.loop.create_task(number(3));
        failed = v.loop.create_task(fail("kept"));
        settle(v);
        pending = v.loop.create_task(number(4));
    }
    CHECK(done.result() == 3);
    CHECK(pending.cancelled());
    CHECK_THROWS_AS(pending.result(), coroscope::broken_loop_error);
    CHECK_FALSE(pending.cancel());
    CHECK_THROWS_AS(failed.result(), std::runtime_error);
    CHECK(failed.name() == "task-2");
}

TEST_CASE("done callbacks run from the loop, in order, after the end, and also when added late") {
    virtual_loop v;
    std::vector<std::string> order;
    auto t = v.loop.create_task(number(1));
    t.add_done_callback([&](const coroscope::any_task& x) {
        order.push_back("first " + std::to_string(x.as<int>().result()));
    });
    t.add_done_callback([&](const coroscope::any_task&) { order.emplace_back("second"); });
    CHECK(order.empty());
    settle(v);
    CHECK(order == std::vector<std::string>{"first 1", "second"});
    t.add_done_callback([&](const coroscope::any_task&) { order.emplace_back("late"); });
    CHECK(order.size() == 2);
    settle(v);
    CHECK(order.back() == "late");
}

TEST_CASE("an exception in a done callback reaches the handler and spares the others") {
    virtual_loop v;
    bool other = false;
    auto t = v.loop.create_task(number(1));
    t.add_done_callback([](const coroscope::any_task&) { throw std::runtime_error("callback"); });
    t.add_done_callback([&](const coroscope::any_task&) { other = true; });
    settle(v);
    REQUIRE(v.reported.size() == 1);
    CHECK(coroscope::describe(v.reported[0].exception) == "callback");
    CHECK(other);
}

TEST_CASE("done callbacks of a task that dies with its loop are dropped with their captures") {
    auto token = std::make_shared<int>();
    {
        virtual_loop v;
        auto t = v.loop.create_task(number(1));
        t.add_done_callback([token](const coroscope::any_task&) { FAIL("the loop is closed"); });
    }
    CHECK(token.use_count() == 1);
}

TEST_CASE("names are as given, however long, and task-ID otherwise") {
    virtual_loop v;
    auto unnamed = v.loop.create_task(number(1));
    auto named = v.loop.create_task(number(1), "short");
    const std::string long_name(500, 'x');
    auto longer = v.loop.create_task(number(1), long_name);
    CHECK(unnamed.name() == "task-1");
    CHECK(named.name() == "short");
    CHECK(longer.name() == long_name);
    named.set_name("other");
    CHECK(named.name() == "other");
}

TEST_CASE("ids count from 1 in order of creation, and tasks know where they were created") {
    virtual_loop v;
    auto a = v.loop.create_task(number(1));
    const auto line = __LINE__ + 1;
    auto b = v.loop.create_task(number(1));
    CHECK(a.id() == 1);
    CHECK(b.id() == 2);
    CHECK(b.origin().at(0).line() == line);
}

TEST_CASE("the parent of a task is the task that created it") {
    virtual_loop v;
    auto parent = [](coroscope::loop& l, std::uint64_t& own, std::uint64_t& childs) -> coro<> {
        own = coroscope::current_task().id();
        auto child = l.create_task(number(1));
        childs = child.core().record().parent_id.load();
        co_await child;
    };
    std::uint64_t own = 0;
    std::uint64_t recorded = 99;
    v.loop.create_task(number(0));
    v.loop.run_until_complete(parent(v.loop, own, recorded));
    CHECK(own == 2);
    CHECK(recorded == 2);
}

TEST_CASE("a suspended task's stack names its awaits, innermost first") {
    virtual_loop v;
    auto gate = v.loop.create_future<>();
    const auto inner_line = __LINE__ + 2;
    auto inner = [](coroscope::future<> g) -> coro<> {
        co_await g;
    };
    const auto outer_line = __LINE__ + 2;
    auto outer = [](coro<> work) -> coro<> {
        co_await std::move(work);
    };
    auto t = v.loop.create_task(outer(inner(gate)), "stacked");
    CHECK(t.stack().empty());
    settle(v);
    const auto sites = t.stack();
    REQUIRE(sites.size() == 2);
    CHECK(sites[0].line() == inner_line);
    CHECK(sites[1].line() == outer_line);

    std::ostringstream text;
    t.print_stack(text);
    CHECK(text.str().find("(stacked), waiting, created at ") != std::string::npos);
    CHECK(text.str().find("task_test.cpp:" + std::to_string(inner_line)) != std::string::npos);

    gate.set_result();
    settle(v);
    CHECK(t.stack().empty());
    std::ostringstream after;
    t.print_stack(after);
    CHECK(after.str().find("(stacked), done") != std::string::npos);
}

TEST_CASE("current_task is the running task inside steps and nothing elsewhere") {
    virtual_loop v;
    bool in_callback = true;
    v.loop.call_soon([&] { in_callback = coroscope::current_task().valid(); });
    auto self = []() -> coro<std::uint64_t> {
        auto before = coroscope::current_task();
        co_await coroscope::yield_now();
        auto after = coroscope::current_task();
        co_return before == after ? after.id() : std::uint64_t{0};
    };
    CHECK_FALSE(coroscope::current_task().valid());
    CHECK(v.loop.run_until_complete(self()) == 1);
    CHECK_FALSE(in_callback);
}

TEST_CASE("all_tasks lists the unfinished ones, oldest first") {
    virtual_loop v;
    auto gate = v.loop.create_future<>();
    auto a = v.loop.create_task(wait_for_gate(gate), "a");
    auto b = v.loop.create_task(number(1), "b");
    auto c = v.loop.create_task(wait_for_gate(gate), "c");
    CHECK(all_tasks(v.loop).size() == 3);
    settle(v);
    const auto left = all_tasks(v.loop);
    REQUIRE(left.size() == 2);
    CHECK(left[0] == a);
    CHECK(left[1] == c);
    gate.set_result();
    settle(v);
    CHECK(all_tasks(v.loop).empty());
    CHECK(b.done());
}

TEST_CASE("an empty handle, a wrong type and awaiting oneself are clear errors") {
    virtual_loop v;
    const task<int> empty;
    CHECK_FALSE(empty.valid());
    CHECK_THROWS_AS(empty.done(), coroscope::invalid_state_error);
    CHECK_THROWS_AS(empty.id(), coroscope::invalid_state_error);
    const coroscope::any_task some = v.loop.create_task(number(1));
    CHECK(some.result_type() == typeid(int));
    CHECK_THROWS_AS(some.as<std::string>(), std::bad_cast);

    auto await_self = []() -> coro<std::string> {
        auto self = coroscope::current_task().as<std::string>();
        std::string what;
        try {
            co_await self;
        } catch (const coroscope::invalid_state_error& e) { what = e.what(); }
        co_return what;
    };
    auto t = v.loop.create_task(await_self(), "narcissus");
    CHECK(v.loop.run_until_complete(t).find("task narcissus awaits itself") == 0);
}

TEST_CASE("awaiting a task of another loop is a clear error") {
    virtual_loop v;
    virtual_loop other;
    auto foreign = other.loop.create_task(number(1));
    auto await_it = [](task<int> from) -> coro<int> {
        const int n = co_await from;
        co_return n;
    };
    CHECK_THROWS_AS(v.loop.run_until_complete(await_it(foreign)), coroscope::invalid_state_error);
    CHECK(other.loop.run_until_complete(foreign) == 1);
}
