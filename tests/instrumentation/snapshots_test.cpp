// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/snapshots.hpp>

#include <coroscope/runtime/mutex.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/runtime/task.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <array>
#include <future>
#include <string>
#include <thread>

using namespace coroscope;
using namespace coroscope::instrumentation;
using namespace std::chrono_literals;

namespace {

coro<> nap(std::uint32_t& line) {
    line = __LINE__ + 1;
    co_await sleep_for(1h);
}

coro<> join(task<> other) {
    co_await other;
}

coro<> block(std::promise<void>& blocked, std::promise<void>& go_on) {
    co_await yield_now();
    blocked.set_value();
    go_on.get_future().wait();
}

}  // namespace

TEST_CASE("a snapshot says of each task where it stands and what it waits on") {
    virtual_loop v;
    std::uint32_t line = 0;
    const auto created_line = static_cast<std::uint32_t>(__LINE__ + 1);
    auto sleeper = v.loop.create_task(nap(line), "sleeper");
    auto joiner = v.loop.create_task(join(sleeper), "joiner");
    auto idle = v.loop.create_task(nap(line));
    v.loop.stop();
    idle.cancel();
    v.loop.run_forever();

    const std::array loops{v.loop.id()};
    const auto list = snapshot_tasks(loops);
    CHECK(list.omitted == 0);
    REQUIRE(list.tasks.size() == 2);
    const auto& first = list.tasks[0];
    CHECK(first.name == "sleeper");
    CHECK(first.id == sleeper.id());
    CHECK(first.loop_id == v.loop.id());
    CHECK(first.state == report::task_state::waiting);
    CHECK(first.created_at.line == created_line);
    CHECK(first.await_site.line == line);
    CHECK(first.await_site.function.ends_with("nap"));
    CHECK(first.wait_kind == "sleep");
    CHECK(first.wait_object.empty());
    CHECK(first.taken_at == 0s);
    CHECK(first.due_in() == 1h);
    CHECK(first.waiting_for.has_value());
    CHECK(first.steps == 1);
    CHECK(list.tasks[1].wait_kind == "task");
    CHECK(list.tasks[1].wait_object == "task 1 'sleeper'");
}

TEST_CASE("a task that never ran has no await site") {
    virtual_loop v;
    std::uint32_t line = 0;
    auto t = v.loop.create_task(nap(line));
    const std::array loops{v.loop.id()};
    const auto list = snapshot_tasks(loops);
    REQUIRE(list.tasks.size() == 1);
    CHECK(list.tasks[0].await_site.empty());
    CHECK(list.tasks[0].state == report::task_state::ready);
    CHECK(list.tasks[0].wait_kind.empty());
    CHECK_FALSE(list.tasks[0].waiting_for.has_value());
}

TEST_CASE("a limit keeps the first tasks and counts the others") {
    virtual_loop v;
    std::uint32_t line = 0;
    for (int i = 0; i < 10; ++i) {
        v.loop.create_task(nap(line));
    }
    const std::array loops{v.loop.id()};
    const auto list = snapshot_tasks(loops, 3);
    CHECK(list.tasks.size() == 3);
    CHECK(list.omitted == 7);
}

TEST_CASE("tasks and figures of the loops that were asked for, or of all") {
    virtual_loop a;
    virtual_loop b;
    virtual_loop c;
    std::uint32_t line = 0;
    for (auto* v : {&a, &b, &c}) {
        v->loop.create_task(nap(line));
    }
    const std::array loops{a.loop.id(), c.loop.id()};
    const auto list = snapshot_tasks(loops);
    REQUIRE(list.tasks.size() == 2);
    CHECK(list.tasks[1].loop_id == c.loop.id());
    CHECK(snapshot_tasks().tasks.size() >= 3);
    REQUIRE(snapshot_loops(loops).size() == 2);
    CHECK(snapshot_loops(loops)[0].loop_id == a.loop.id());
    CHECK(snapshot_loops().size() >= 3);
}

TEST_CASE("a loop's figures remain when it is gone") {
    std::uint32_t id = 0;
    {
        virtual_loop v;
        id = v.loop.id();
        std::uint32_t line = 0;
        v.loop.run_until_complete(nap(line));
    }
    const std::array loops{id};
    const auto stats = snapshot_loops(loops);
    REQUIRE(stats.size() == 1);
    CHECK(stats[0].steps == 2);
    CHECK(stats[0].tasks == 0);
    CHECK(snapshot_tasks(loops).tasks.empty());
}

TEST_CASE("a snapshot from another thread shows the task that blocks its loop", "[threads]") {
    std::promise<void> blocked;
    std::promise<void> go_on;
    std::promise<std::uint32_t> id;
    std::thread thread([&] {
        virtual_loop v;
        id.set_value(v.loop.id());
        v.loop.run_until_complete(v.loop.create_task(block(blocked, go_on), "culprit"));
    });
    const std::array loops{id.get_future().get()};
    blocked.get_future().wait();
    const auto list = snapshot_tasks(loops);
    go_on.set_value();
    thread.join();
    REQUIRE(list.tasks.size() == 1);
    CHECK(list.tasks[0].name == "culprit");
    CHECK(list.tasks[0].state == report::task_state::running);
    CHECK(list.tasks[0].await_site.function.ends_with("block"));
}

TEST_CASE("a snapshot has stacks where they are asked for, and knows who holds a mutex") {
    coroscope::mutex m;  // given back when the loop is closed
    virtual_loop v;
    const auto hold = [](coroscope::mutex& held) -> coro<> {
        const auto lock = co_await held.scoped();
        co_await coroscope::sleep_for(1h);
    };
    v.loop.create_task(hold(m), "holder");
    const auto waiter = v.loop.create_task(hold(m), "waiter");
    v.loop.call_soon([&] { v.loop.stop(); });
    v.loop.run_forever();
    const std::array loops{v.loop.id()};
    CHECK_FALSE(snapshot_tasks(loops).tasks.at(1).async_stack);
    const auto task = snapshot_tasks(loops, 10, stacks::with).tasks.at(1);
    CHECK(task.wait_owner == "task 1 'holder'");
    REQUIRE(task.async_stack);
    REQUIRE(task.async_stack->frames.size() == 1);
    CHECK(task.async_stack->frames[0].line == waiter.stack().at(0).line());
    CHECK(task.async_stack->frames[0].file.ends_with("snapshots_test.cpp"));
    CHECK_FALSE(task.async_stack->truncated);
    CHECK(task.waiting);
    CHECK(task.scheduled);
}

TEST_CASE("an unknown site is an empty position") {
    CHECK(position_of({}).empty());
    const auto here = position_of(await_site::current());
    CHECK(here.file.ends_with("snapshots_test.cpp"));
    CHECK(here.line == __LINE__ - 2);
}
