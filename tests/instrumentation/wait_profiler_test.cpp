// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/wait_profiler.hpp>

#include <coroscope/instrumentation/loop_histograms.hpp>
#include <coroscope/report/profile.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/event.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/pipe.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "instrumentation/busy_wait.hpp"
#include "support/catch.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <unistd.h>

using namespace coroscope;
using namespace coroscope::instrumentation;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t waits = 0;
constexpr std::size_t scheduled = 1;
constexpr std::size_t waiting = 2;

coro<> inner(event& e) {
    co_await e.wait();
}
coro<> outer(event& e) {
    co_await inner(e);
}

coro<> yield_often(int times) {
    for (int i = 0; i < times; ++i) {
        co_await yield_now();
    }
}

coro<> deep(int levels, event& e) {
    if (levels > 0) {
        co_await deep(levels - 1, e);
    } else {
        co_await e.wait();
    }
}

coro<> set_after(event& e, int turns) {
    co_await yield_often(turns);
    e.set();
}

std::string function_at(const report::profile& profile, const report::profile_sample& sample,
                        std::size_t level) {
    return level < sample.stack.size() ? profile.frames[sample.stack[level]].function : "";
}

/// The sum of a value over the samples whose innermost frame is this.
std::int64_t sum_of(const report::profile& profile, const std::string& what, std::size_t value) {
    std::int64_t sum = 0;
    for (const auto& sample : profile.samples) {
        if (function_at(profile, sample, 0) == what) { sum += sample.values[value]; }
    }
    return sum;
}

TEST_CASE("a wait is found by its kind and the awaits that led to it", "[wait_profiler]") {
    event e;
    loop l;
    const wait_profiler profiler(l);
    const auto task = l.create_task(outer(e));
    l.run_until_complete(set_after(e, 3));
    const auto profile = profiler.read();
    CHECK(profile.kind == "wait");
    CHECK(sum_of(profile, "[event]", waits) == 1);
    CHECK(sum_of(profile, "[yield]", waits) == 3);
    CHECK(sum_of(profile, "[first step]", waits) == 2);
    for (const auto& sample : profile.samples) {
        if (function_at(profile, sample, 0) != "[event]") { continue; }
        REQUIRE(sample.stack.size() == 3);
        CHECK(function_at(profile, sample, 1).ends_with("inner"));
        CHECK(function_at(profile, sample, 2).ends_with("outer"));
        CHECK(profile.frames[sample.stack[1]].line != 0);
    }
}

/// What the records of the loop's tasks say now.
std::pair<std::int64_t, std::int64_t> recorded_waiting_and_scheduled() {
    std::int64_t waited = 0;
    std::int64_t waited_for_turn = 0;
    for (const auto& view : read_tasks(get_running_loop().id())) {
        waited += view.waiting.count();
        waited_for_turn += view.scheduled.count();
        // To whoever asks, its own step so far looks like a turn that it waits for.
        if (view.state == task_state::running) { waited_for_turn -= view.since_change.count(); }
    }
    return {waited, waited_for_turn};
}

coro<> wait_then_yield(event& e) {
    co_await outer(e);
    co_await yield_often(100);
}

coro<> compare_with_records(event& e, const wait_profiler& profiler) {
    auto& here = get_running_loop();
    const auto waiter = here.create_task(wait_then_yield(e));
    const auto yielder = here.create_task(yield_often(100));
    co_await yield_often(20);
    e.set();
    co_await yield_often(20);
    const auto [waited, turn_before] = recorded_waiting_and_scheduled();
    const auto profile = profiler.read();
    const auto turn_after = recorded_waiting_and_scheduled().second;
    // Sums are rounded to nanoseconds in both, in different places.
    constexpr std::int64_t rounding = 20;
    CHECK(waited > 0);
    CHECK(std::abs(total(profile, waiting) - waited) <= rounding);
    CHECK(total(profile, scheduled) >= turn_before - rounding);
    CHECK(total(profile, scheduled) <= turn_after + rounding);
    // A yield waits for nothing but its turn.
    CHECK(total(profile, waiting) == sum_of(profile, "[event]", waiting));
}

TEST_CASE("waits add up to what the records of the tasks say", "[wait_profiler]") {
    event e;
    loop l;
    const wait_profiler profiler(l);
    l.run_until_complete(compare_with_records(e, profiler));
}

TEST_CASE("a wait that has not ended is counted when it is read", "[wait_profiler]") {
    event e;
    loop l;
    const wait_profiler profiler(l);
    const auto task = l.create_task(outer(e));
    l.run_until_complete(yield_often(2));
    const auto first = profiler.read();
    CHECK(sum_of(first, "[event]", waits) == 1);
    const auto later = profiler.read();
    CHECK(sum_of(later, "[event]", waits) == 1);
    CHECK(sum_of(later, "[event]", waiting) > sum_of(first, "[event]", waiting));
    e.set();
    l.run_until_complete(yield_often(2));
    CHECK(sum_of(profiler.read(), "[event]", waits) == 1);
}

TEST_CASE("what went on before the profiler came counts from then on", "[wait_profiler]") {
    event e;
    loop l;
    const auto task = l.create_task(outer(e));
    l.run_until_complete(yield_often(2));
    busy_wait(100ms);  // longer than what follows, mostly, so that it would be noticed
    const auto before = step_clock::now();
    const wait_profiler profiler(l);
    e.set();
    l.run_until_complete(yield_often(2));
    const auto profile = profiler.read();
    CHECK(sum_of(profile, "[event]", waits) == 1);
    CHECK(sum_of(profile, "[event]", waiting) + sum_of(profile, "[event]", scheduled)
          <= step_clock::between(before, step_clock::now()).count());
}

TEST_CASE("a full table counts what it leaves out", "[wait_profiler]") {
    event e;
    loop l;
    const wait_profiler profiler(l, {1});
    const auto task = l.create_task(outer(e));
    l.run_until_complete(set_after(e, 3));
    const auto profile = profiler.read();
    CHECK(profile.samples.size() == 1);
    CHECK(total(profile, waits) + static_cast<std::int64_t>(profile.dropped) == 6);
    CHECK(profile.dropped > 0);
}

TEST_CASE("a stack that is too deep is cut off, ended or not", "[wait_profiler]") {
    event e;
    loop l;
    const wait_profiler profiler(l);
    const auto task = l.create_task(deep(100, e));
    const auto has_cut_one = [&] {
        const auto profile = profiler.read();
        for (const auto& sample : profile.samples) {
            if (function_at(profile, sample, 0) == "[event]") {
                return sample.truncated && sample.stack.size() == 65;
            }
        }
        return false;
    };
    l.run_until_complete(yield_often(2));
    CHECK(has_cut_one());
    e.set();
    l.run_until_complete(yield_often(2));
    CHECK(has_cut_one());
}

TEST_CASE("a loop has one wait profiler at a time, which may outlive it", "[wait_profiler]") {
    auto l = std::make_unique<loop>();
    auto first = std::make_unique<wait_profiler>(*l);
    CHECK_THROWS_AS(wait_profiler(*l), invalid_state_error);
    first.reset();
    const loop_histograms beside(*l);
    const wait_profiler second(*l);
    l->run_until_complete(yield_often(3));
    l.reset();
    CHECK(sum_of(second.read(), "[yield]", waits) == 3);
}

TEST_CASE("a wait profiler that is destroyed in the middle sees nothing more", "[wait_profiler]") {
    loop l;
    std::optional<wait_profiler> profiler(std::in_place, l);
    struct body {
        static coro<> run(std::optional<wait_profiler>& p) {
            co_await yield_often(2);
            p.reset();
            co_await yield_often(2);
        }
    };
    l.run_until_complete(body::run(profiler));
    CHECK(!profiler);
    CHECK(l.core().pauses == nullptr);
}

TEST_CASE("a reader tells what a wait profiler saw, also when that and the loop are gone",
          "[wait_profiler]") {
    auto l = std::make_unique<loop>();
    event e;
    auto stuck = l->create_task(inner(e));
    auto profiler = std::make_unique<wait_profiler>(*l);
    l->run_until_complete(yield_often(3));
    const auto read = profiler->reader();
    CHECK(sum_of(read(), "[yield]", waits) == 3);
    CHECK(sum_of(read(), "[event]", waits) == 1);  // it has not ended
    profiler.reset();
    l->run_until_complete(yield_often(2));
    CHECK(sum_of(read(), "[yield]", waits) == 3);
    CHECK(sum_of(read(), "[event]", waits) == 0);
    const auto then = read();
    l.reset();
    CHECK(read() == then);
}

TEST_CASE("waits are read from another thread while the loop runs", "[wait_profiler][threads]") {
    loop l;
    const wait_profiler profiler(l);
    std::atomic<bool> was_read{false};
    std::thread reader([&] {
        while (total(profiler.read(), waits) < 100) {}
        was_read = true;
    });
    struct body {
        static coro<> run(std::atomic<bool>& done) {
            while (!done) {
                co_await yield_now();
            }
        }
    };
    l.run_until_complete(body::run(was_read));
    reader.join();
    CHECK(sum_of(profiler.read(), "[yield]", waits) >= 99);
}

std::int64_t sum_of_task(const report::profile& profile, const std::string& task,
                         const std::string& what, std::size_t value) {
    std::int64_t sum = 0;
    for (const auto& sample : profile.samples) {
        if (sample.task == task && function_at(profile, sample, 0) == what) {
            sum += sample.values[value];
        }
    }
    return sum;
}

TEST_CASE("waits are told apart by the names of the tasks", "[wait_profiler]") {
    constexpr auto long_name = "a name that no record has room for";
    event e;
    loop l;
    const wait_profiler profiler(l);
    const auto unnamed = l.create_task(yield_often(2));
    const auto first = l.create_task(yield_often(3), long_name);
    const auto second = l.create_task(yield_often(5), "second");
    const auto waiter = l.create_task(outer(e), long_name);
    l.run_until_complete(yield_often(10));
    const auto profile = profiler.read();
    CHECK(sum_of_task(profile, "", "[yield]", waits) == 12);
    CHECK(sum_of_task(profile, long_name, "[yield]", waits) == 3);
    CHECK(sum_of_task(profile, "second", "[yield]", waits) == 5);
    CHECK(sum_of_task(profile, long_name, "[event]", waits) == 1);  // has not ended
    e.set();
    l.run_until_complete(yield_often(2));
    CHECK(sum_of_task(profiler.read(), long_name, "[event]", waits) == 1);
}

coro<> rename_between() {
    co_await yield_often(2);
    current_task().set_name("renamed");
    co_await yield_often(3);
}

TEST_CASE("a task that is renamed waits under its new name", "[wait_profiler]") {
    loop l;
    const wait_profiler profiler(l);
    l.run_until_complete(l.create_task(rename_between(), "original"));
    const auto profile = profiler.read();
    CHECK(sum_of_task(profile, "original", "[yield]", waits) == 2);
    CHECK(sum_of_task(profile, "renamed", "[yield]", waits) == 3);
}

TEST_CASE("another wait profiler knows the names of tasks that the last one saw",
          "[wait_profiler]") {
    event e;
    loop l;
    std::optional<wait_profiler> profiler(std::in_place, l);
    const auto other = l.create_task(yield_often(2), "other");
    const auto waiter = l.create_task(outer(e), "waiter");
    l.run_until_complete(yield_often(3));
    profiler.reset();
    profiler.emplace(l);
    e.set();
    l.run_until_complete(yield_often(3));
    CHECK(sum_of_task(profiler->read(), "waiter", "[event]", waits) == 1);
}

TEST_CASE("names beyond the limit are those of nobody, ended or not", "[wait_profiler]") {
    event e;
    loop l;
    wait_profiler_options options;
    options.names = 1;
    const wait_profiler profiler(l, options);
    const auto first = l.create_task(yield_often(3), "first");
    const auto second = l.create_task(yield_often(5), "second");
    const auto third = l.create_task(outer(e), "third");
    l.run_until_complete(yield_often(10));
    const auto profile = profiler.read();
    CHECK(sum_of_task(profile, "first", "[yield]", waits) == 3);
    CHECK(sum_of_task(profile, "", "[yield]", waits) == 15);
    CHECK(sum_of_task(profile, "", "[event]", waits) == 1);
}

TEST_CASE("names give way to stacks where there is little room", "[wait_profiler]") {
    loop l;
    wait_profiler_options options;
    options.capacity = 16;
    const wait_profiler profiler(l, options);
    std::vector<task<>> tasks;
    constexpr int many = 30;
    for (int i = 0; i < many; ++i) {
        tasks.push_back(l.create_task(yield_often(1), "number " + std::to_string(i)));
    }
    l.run_until_complete(yield_often(2));
    const auto profile = profiler.read();
    CHECK(profile.dropped == 0);
    CHECK(profile.samples.size() <= 16);
    CHECK(sum_of(profile, "[yield]", waits) == many + 2);
    CHECK(sum_of_task(profile, "number 0", "[first step]", waits) == 1);
}

/// The loop idles meanwhile, until the other thread has seen that the task waits, and for so long.
TEST_CASE("what comes during an idle wait ends the wait then, not before",
          "[wait_profiler][threads]") {
    constexpr auto while_idle = 5ms;
    std::array<int, 2> ends{};
    REQUIRE(::pipe(ends.data()) == 0);
    struct body {
        static coro<> read_one(file_descriptor from) {
            auto input = open_read_pipe(std::move(from));
            const std::string text = co_await input.read_exactly(1);
            CHECK(text == "x");
        }
    };
    loop l;
    const wait_profiler profiler(l);
    ::ssize_t written = 0;
    std::thread other([&, id = l.id()] {
        const auto waits_long_enough = [&] {
            for (const auto& task : read_tasks(id)) {
                if (task.waits_for == wait_kind::io && task.since_change > while_idle) {
                    return true;
                }
            }
            return false;
        };
        while (!waits_long_enough()) {
            std::this_thread::yield();
        }
        written = ::write(ends[1], "x", 1);
    });
    l.run_until_complete(body::read_one(file_descriptor(ends[0])));
    other.join();
    CHECK(written == 1);
    ::close(ends[1]);
    CHECK(sum_of(profiler.read(), "[io]", waiting) > duration(while_idle).count());
}

}  // namespace

TEST_CASE("nothing is counted of a loop that measures no steps, whoever looks at its passes",
          "[wait_profiler]") {
    loop_options options;
    options.time_stats = false;
    loop l(options);
    struct : observer {
        void on_tick(std::size_t, std::size_t) noexcept override { ++ticks; }
        int ticks = 0;
    } passes;
    l.add_observer(passes);
    const loop_histograms histograms(l);
    l.run_until_complete(yield_often(3));
    l.remove_observer(passes);
    CHECK(passes.ticks > 3);
    CHECK(histograms.read().total().delay.ended.count() == 0);
}
