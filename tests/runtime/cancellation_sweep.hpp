// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/observer.hpp>
#include <coroscope/runtime/run.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/runtime/task_table.hpp>
#include <coroscope/runtime/wait.hpp>

#include "runtime/subprocess_pair.hpp"
#include "support/catch.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <utility>

/// Cancels a scenario at each of its suspension points in turn, and looks for what it left behind.
namespace cancellation_sweep {

using coroscope::coro;
using coroscope::task;

/// Cancels `t`, unless it is done, and waits for its end. False if a result was what it came to: a
/// completed operation beats its cancellation.
template <class T>
coro<bool> cancel_now(task<T> t) {
    if (!t.done()) { t.cancel(); }
    co_await coroscope::wait(t);
    co_return t.cancelled();
}

/// The same once `t` has had so many steps.
template <class T>
coro<bool> cancel_after(task<T> t, std::uint64_t steps) {
    auto& loop = coroscope::get_running_loop();
    for (;;) {
        std::uint64_t taken = steps;
        for (const auto& view : coroscope::read_tasks(loop.id())) {
            if (view.id == t.id()) { taken = view.steps; }
        }
        if (t.done() || taken >= steps) { break; }
        co_await coroscope::yield_now();
    }
    co_return co_await cancel_now(t);
}

/// Counts the passes of the loop in which anything but the task that looks at it runs.
class busy_passes final : public coroscope::observer {
public:
    busy_passes() : of_(coroscope::get_running_loop()) { of_.add_observer(*this); }
    busy_passes(const busy_passes&) = delete;
    busy_passes& operator=(const busy_passes&) = delete;
    ~busy_passes() override { of_.remove_observer(*this); }
    void on_tick(std::size_t ready, std::size_t) noexcept override {
        if (ready > 1) { ++count; }
    }
    std::uint64_t count = 0;

private:
    coroscope::loop& of_;
};

/// The same once so many passes had anything else to run: for what works in several tasks.
template <class T>
coro<bool> cancel_in_pass(task<T> t, std::uint64_t pass) {
    const busy_passes seen;
    while (!t.done() && seen.count < pass) {
        co_await coroscope::yield_now();
    }
    co_return co_await cancel_now(t);
}

[[nodiscard]] inline std::size_t open_descriptors() {
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

/// Lets others run until the condition holds; false if it does not in half a minute.
template <class Condition>
coro<bool> comes_true(Condition holds) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    bool is_so = holds();
    while (!is_so && std::chrono::steady_clock::now() < end) {
        co_await coroscope::yield_now();
        is_so = holds();
    }
    co_return is_so;
}

/// Runs the scenario, and checks that no task, descriptor or child process of it stays. The loop is
/// still open then, and has nothing tidied up.
template <class Scenario>
coro<> run_tidily(const Scenario& scenario, std::uint64_t steps, bool& reached_its_end) {
    auto& loop = coroscope::get_running_loop();
    {
        auto ends = co_await stream_pair::connect();  // so that the loop has its own descriptors
    }
    const auto alone = [&loop] {
        return loop.statistics().tasks == 1;
    };
    co_await comes_true(alone);
    const auto before = open_descriptors();
    co_await scenario(steps, reached_its_end);
    const bool no_task = co_await comes_true(alone);
    CHECK(no_task);
    const auto no_descriptor_more = [before] {
        return open_descriptors() == before;
    };
    const bool all_closed = co_await comes_true(no_descriptor_more);
    CHECK(all_closed);
    const auto no_child = [] {
        return !subprocess_pair::has_children();
    };
    const bool all_reaped = co_await comes_true(no_child);
    CHECK(all_reaped);
}

/// Runs the scenario again and again, cancelled after 0, 1, 2 ... steps, until it ends before that.
/// Returns how often.
template <class Scenario>
std::uint64_t sweep(const Scenario& scenario) {
    for (std::uint64_t steps = 0; steps < 1000; ++steps) {
        bool reached_its_end = false;
        INFO("cancelled after " << steps);
        coroscope::run(run_tidily(scenario, steps, reached_its_end));
        if (reached_its_end) { return steps + 1; }
    }
    FAIL("the scenario never ends");
    return 0;
}

}  // namespace cancellation_sweep
