// SPDX-License-Identifier: Apache-2.0
// Other threads are looked at from outside, as other processes are: nothing that the thread
// sanitizer could follow, so that no case is for it.
#include <coroscope/profiler_server/inspector.hpp>

#include <coroscope/runtime/future.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/mutex.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/runtime/task_table.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <latch>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

using namespace coroscope::profiler_server;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;
using coroscope::coro;
using coroscope::loop;
namespace report = coroscope::report;

namespace {

coro<> nap(coroscope::duration d) {
    co_await coroscope::sleep_for(d);
}

coro<> nap_nested(int depth) {
    if (depth > 0) {
        co_await nap_nested(depth - 1);
    } else {
        co_await nap(24h);
    }
}

coro<> hold(coroscope::mutex& m) {
    const auto lock = co_await m.scoped();
    co_await nap(24h);
}

void pass(loop& l) {
    l.call_soon([&l] { l.stop(); });
    l.run_forever();
}

// This process as others see it: the tasks of one of its loops.
std::vector<report::task_snapshot> tasks_of(std::uint32_t loop_id, bool stacks = false) {
    auto found = inspect_process(static_cast<std::uint64_t>(::getpid()), {1'000'000, stacks});
    CHECK(found.notes.empty());
    std::vector<report::task_snapshot> tasks;
    for (auto& task : found.list.tasks) {
        if (task.loop_id == loop_id) { tasks.push_back(std::move(task)); }
    }
    return tasks;
}

std::vector<std::uint32_t> lines_of(const report::stack& stack) {
    std::vector<std::uint32_t> lines;
    for (const auto& frame : stack.frames) {
        lines.push_back(frame.line);
    }
    return lines;
}

// A program without coroscope that waits for the end of its input.
class other_program {
public:
    other_program() {
        REQUIRE(::pipe2(input_.data(), O_CLOEXEC) == 0);
        posix_spawn_file_actions_t actions;
        ::posix_spawn_file_actions_init(&actions);
        ::posix_spawn_file_actions_adddup2(&actions, input_[0], 0);
        std::array<char, 4> name{"cat"};
        std::array<char*, 2> arguments{name.data(), nullptr};
        REQUIRE(::posix_spawnp(&pid_, "cat", &actions, nullptr, arguments.data(), environ) == 0);
        ::posix_spawn_file_actions_destroy(&actions);
    }
    other_program(const other_program&) = delete;
    other_program& operator=(const other_program&) = delete;
    ~other_program() {
        end();
        ::waitpid(pid_, nullptr, 0);
        ::close(input_[0]);
    }

    // It is dead afterwards, and nobody has taken note.
    void end() {
        if (input_[1] < 0) { return; }
        ::close(input_[1]);
        input_[1] = -1;
        siginfo_t about{};
        ::waitid(P_PID, static_cast<::id_t>(pid_), &about, WEXITED | WNOWAIT);
    }
    [[nodiscard]] std::uint64_t pid() const { return static_cast<std::uint64_t>(pid_); }

private:
    std::array<int, 2> input_{-1, -1};
    ::pid_t pid_ = 0;
};

inspection_failure failure_of(std::uint64_t pid) {
    try {
        static_cast<void>(inspect_process(pid));
    } catch (const inspection_error& error) {
        CHECK_THAT(error.what(), Contains("process " + std::to_string(pid)));
        return error.failure();
    }
    FAIL("was read without an error");
    return {};
}

}  // namespace

TEST_CASE("what others see of a process is what the process sees", "[inspector]") {
    coroscope::mutex m;  // outlives the loop, whose end unlocks it
    virtual_loop v;
    v.loop.set_origin_depth(10);
    v.loop.create_task(nap(1h), "sleeping");
    v.loop.create_task(hold(m), "holding");
    v.loop.create_task(hold(m), "a name that is longer than a record has room for");
    v.loop.create_task(nap_nested(3));
    pass(v.loop);
    v.loop.create_task(nap(1h), "ready");
    const auto inside = coroscope::read_tasks(v.loop.id());
    const auto outside = tasks_of(v.loop.id());
    REQUIRE(outside.size() == inside.size());
    for (std::size_t i = 0; i < inside.size(); ++i) {
        CHECK(outside[i].id == inside[i].id);
        CHECK(outside[i].name == inside[i].name);
        CHECK(report::to_string(outside[i].state) == coroscope::to_string(inside[i].state));
        CHECK(outside[i].parent_id == inside[i].parent_id);
        CHECK(outside[i].steps == inside[i].steps);
        CHECK(outside[i].busy == inside[i].busy);
        CHECK(outside[i].await_site.line == inside[i].site.line());
        CHECK(outside[i].created_at.line == inside[i].created_at.line());
        CHECK(outside[i].created_at.file == inside[i].created_at.file_name());
    }
    CHECK(outside[0].wait_kind == "sleep");
    CHECK(outside[0].wait_deadline == 1h);
    CHECK(outside[0].await_site.function == coroscope::function_name(inside[0].site));
    CHECK(outside[2].wait_kind == "mutex");
    CHECK(outside[2].wait_owner == "task 2 'holding'");
    CHECK(outside[2].waiting_for >= inside[2].since_change);
    CHECK(outside[4].state == report::task_state::ready);
}

TEST_CASE("others see the async stack of a suspended task", "[inspector]") {
    virtual_loop v;
    const auto task = v.loop.create_task(nap_nested(3), "nested");
    pass(v.loop);
    const auto seen = tasks_of(v.loop.id(), true);
    REQUIRE(seen.size() == 1);
    REQUIRE(seen[0].async_stack);
    std::vector<std::uint32_t> lines;
    for (const auto& site : task.stack()) {
        lines.push_back(site.line());
    }
    CHECK(lines.size() == 5);
    CHECK(lines_of(*seen[0].async_stack) == lines);
    CHECK_FALSE(seen[0].async_stack->truncated);
    CHECK_THAT(seen[0].async_stack->frames[1].function, Contains("nap_nested"));
}

TEST_CASE("a very deep stack ends with a note that there is more", "[inspector]") {
    virtual_loop v;
    v.loop.create_task(nap_nested(5'000), "deep");
    pass(v.loop);
    const auto seen = tasks_of(v.loop.id(), true);
    REQUIRE(seen.size() == 1);
    CHECK(seen[0].async_stack->frames.size() == 1'000);
    CHECK(seen[0].async_stack->truncated);
}

TEST_CASE("others see a loop that is blocked in a step", "[inspector]") {
    std::latch blocked(1);
    std::latch seen(1);
    std::atomic<std::uint32_t> id{0};
    std::thread thread([&] {
        loop l;
        id = l.id();
        const auto block = [](std::latch& in, std::latch& out) -> coro<> {
            co_await coroscope::yield_now();
            in.count_down();
            out.wait();
        };
        l.create_task(nap(24h), "sleeping");
        l.run_until_complete(l.create_task(block(blocked, seen), "blocking"));
    });
    blocked.wait();
    const auto tasks = tasks_of(id, true);
    seen.count_down();
    thread.join();
    REQUIRE(tasks.size() == 2);
    CHECK(tasks[0].state == report::task_state::waiting);
    CHECK(tasks[1].name == "blocking");
    CHECK(tasks[1].state == report::task_state::running);
    CHECK_FALSE(tasks[1].await_site.empty());
    CHECK_FALSE(tasks[1].async_stack);
}

namespace {

// A thread whose tasks come, go and never stand still, beside some that sleep through it all.
class busy_loop {
public:
    static constexpr std::size_t sleepers = 100;

    busy_loop() : thread_([this] { run(); }) { started_.wait(); }
    busy_loop(const busy_loop&) = delete;
    busy_loop& operator=(const busy_loop&) = delete;
    ~busy_loop() {
        stop_ = true;
        thread_.join();
    }
    [[nodiscard]] std::uint32_t id() const { return id_; }

private:
    static coro<> never_still(const std::atomic<bool>& stop) {
        while (!stop) {
            co_await nap(0s);
        }
    }
    static coro<> short_lives(const std::atomic<bool>& stop) {
        while (!stop) {
            auto task = coroscope::get_running_loop().create_task(nap(0s), "short");
            co_await task;
        }
    }
    void run() {
        loop l;
        id_ = l.id();
        for (std::size_t i = 0; i < sleepers; ++i) {
            l.create_task(nap_nested(2), "sleeper");
        }
        for (int i = 0; i < 10; ++i) {
            l.create_task(short_lives(stop_), "maker");
        }
        l.call_soon([this] { started_.count_down(); });
        l.run_until_complete(l.create_task(never_still(stop_), "never still"));
        l.set_exception_handler([](loop&, const coroscope::exception_context&) {});
    }

    std::atomic<bool> stop_{false};
    std::atomic<std::uint32_t> id_{0};
    std::latch started_{1};
    std::thread thread_;
};

}  // namespace

TEST_CASE("each task that lives all the while is seen exactly once", "[inspector]") {
    const busy_loop busy;
    std::map<std::uint64_t, std::uint64_t> steps_before;
    for (int round = 0; round < 30; ++round) {
        std::map<std::string, std::size_t> names;
        std::set<std::uint64_t> ids;
        for (const auto& task : tasks_of(busy.id(), true)) {
            CHECK(ids.insert(task.id).second);
            ++names[task.name];
            CHECK(task.steps >= steps_before[task.id]);
            steps_before[task.id] = task.steps;
            CHECK(task.busy < 1h);
            if (task.name == "sleeper" && task.steps > 0) {
                CHECK(task.state == report::task_state::waiting);
                REQUIRE(task.async_stack);
                CHECK(task.async_stack->frames.size() == 4);
            }
        }
        CHECK(names["sleeper"] == busy_loop::sleepers);
        CHECK(names["maker"] == 10);
        CHECK(names["never still"] == 1);
    }
}

TEST_CASE("processes that cannot be read are told apart", "[inspector]") {
    std::uint64_t pid = 0;
    {
        other_program other;
        pid = other.pid();
        CHECK(failure_of(pid) == inspection_failure::no_table);
        other.end();
        CHECK(failure_of(pid) == inspection_failure::no_process);
    }
    CHECK(failure_of(0) == inspection_failure::no_process);
    CHECK(failure_of(~std::uint64_t{0}) == inspection_failure::no_process);
    CHECK(failure_of(std::uint64_t{1} << 32U) == inspection_failure::no_process);
}

TEST_CASE("of too many tasks the oldest are told, and the others counted", "[inspector]") {
    virtual_loop v;
    for (int i = 0; i < 10; ++i) {
        v.loop.create_task(nap(1h));
    }
    const auto found = inspect_process(static_cast<std::uint64_t>(::getpid()), {4, false});
    CHECK(found.list.tasks.size() == 4);
    CHECK(found.list.omitted >= 6);
}
