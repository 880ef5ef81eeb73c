// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/wait_profiler.hpp>

#include <coroscope/report/profile.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/event.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "support/catch.hpp"

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>

using namespace coroscope;
using namespace coroscope::instrumentation;

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

TEST_CASE("waits add up to what the task's record says, tick by tick", "[wait_profiler]") {
    event e;
    loop l;
    const wait_profiler profiler(l);
    const auto task = l.create_task(outer(e));
    const auto other = l.create_task(yield_often(50));
    // The sums of the records just before the tasks end: all that is between their steps.
    duration recorded_waiting{};
    duration recorded_scheduled{};
    struct reader {
        static coro<> at_the_end(event& set, loop& of, duration& waited, duration& waited_turn) {
            co_await yield_often(20);
            set.set();
            co_await yield_often(20);
            for (const auto& view : read_tasks(of.id())) {
                waited += view.waiting;
                waited_turn += view.scheduled;
            }
        }
    };
    l.run_until_complete(reader::at_the_end(e, l, recorded_waiting, recorded_scheduled));
    const auto profile = profiler.read();
    CHECK(recorded_scheduled.count() > 0);
    CHECK(total(profile, scheduled) >= recorded_scheduled.count() - 100);
    // A yield waits for nothing but its turn.
    CHECK(sum_of(profile, "[yield]", waiting) == 0);
    CHECK(sum_of(profile, "[first step]", waiting) == 0);
    CHECK(total(profile, waiting) == sum_of(profile, "[event]", waiting));
    CHECK(sum_of(profile, "[event]", waiting) > 0);
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

}  // namespace
