// SPDX-License-Identifier: Apache-2.0
// What the task table costs: those who write it, and those who read it.
#include "benchmark.hpp"
#include "pinning.hpp"
#include "stopwatch.hpp"

#include <coroscope/instrumentation/native_origins.hpp>
#include <coroscope/runtime/detail/task_core.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/runtime/task_table.hpp>

#include <atomic>
#include <chrono>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

namespace coroscope::benchmarks {
namespace {

constexpr std::size_t spawns = 500'000;

// --- The record of a new task

constexpr std::size_t records = 64;

/// What `start_task` does for the table and nothing else.
double fill_records(std::size_t count) {
    loop l;
    const auto entries = std::make_unique<task_record[]>(records);
    const auto here = await_site::current();
    const stopwatch watch(stopwatch::kind::thread_processor);
    for (std::size_t i = 0; i < count; ++i) {
        auto& record = entries[i % records];
        detail::open_record(record, l.core(), here);
        detail::publish_record(record, l.core());
    }
    return watch.nanoseconds_per(count);
}

std::uint64_t volatile last_number;

double count_only(std::size_t count) {
    const stopwatch watch(stopwatch::kind::thread_processor);
    for (std::size_t i = 0; i < count; ++i) {
        last_number = i;
    }
    return watch.nanoseconds_per(count);
}

// --- Creation origins

coro<> nothing() {
    co_return;
}

coro<> spawning(std::size_t count) {
    auto& here = get_running_loop();
    for (std::size_t i = 0; i < count; ++i) {
        const auto task = here.create_task(nothing());
        co_await task;
    }
}

/// `depth` co_awaits deep.
coro<> spawning_at(std::size_t depth, std::size_t count) {
    if (depth > 0) {
        co_await spawning_at(depth - 1, count);
    } else {
        co_await spawning(count);
    }
}

template <std::size_t Depth>
double spawn_with_origin(std::size_t count) {
    loop_options options;
    options.origin_depth = Depth;
    loop l(options);
    auto main = l.create_task(spawning_at(10, count));
    const stopwatch watch(stopwatch::kind::thread_processor);
    l.run_until_complete(main);
    return watch.nanoseconds_per(count);
}

// --- Native creation origins

constexpr std::size_t native_frames = 10;

// NOLINTNEXTLINE(misc-no-recursion): frames
[[gnu::noinline]] task<> create_at(std::size_t depth, loop& on) {
    if (depth == 0) { return on.create_task(nothing()); }
    auto made = create_at(depth - 1, on);
    asm volatile("" ::: "memory");  // no jump instead of the call
    return made;
}

/// Each task is created by as many plain functions as an origin has frames.
coro<> spawning_natively(std::size_t count) {
    auto& here = get_running_loop();
    for (std::size_t i = 0; i < count; ++i) {
        const auto task = create_at(native_frames, here);
        co_await task;
    }
}

double spawn_natively(loop& l, std::size_t count) {
    auto main = l.create_task(spawning_natively(count));
    const stopwatch watch(stopwatch::kind::thread_processor);
    l.run_until_complete(main);
    return watch.nanoseconds_per(count);
}

double spawn_with_native_origin(std::size_t count) {
    instrumentation::native_origin_options options;
    options.frames = native_frames;
    instrumentation::native_origins origins(options);
    loop l;
    origins.attach_to(l);
    return spawn_natively(l, count);
}

double spawn_without_native_origin(std::size_t count) {
    loop l;
    return spawn_natively(l, count);
}

// --- Reading a large table

coro<> sleeping() {
    co_await sleep_for(std::chrono::hours(1));
}

coro<> yielding(std::size_t times) {
    for (std::size_t i = 0; i < times; ++i) {
        co_await yield_now();
    }
}

/// A loop with many tasks that sleep.
class crowd {
public:
    explicit crowd(std::size_t tasks) {
        for (std::size_t i = 0; i < tasks; ++i) {
            loop_.create_task(sleeping());
        }
        loop_.set_exception_handler([](auto&, const auto&) {});  // told of each when it is closed
        yields(1);                                               // all have gone to sleep
    }
    crowd(const crowd&) = delete;
    crowd& operator=(const crowd&) = delete;
    ~crowd() = default;

    /// Nanoseconds of processor time that a yield takes here.
    double yields(std::size_t times) {
        auto task = loop_.create_task(yielding(times));
        const stopwatch watch(stopwatch::kind::thread_processor);
        loop_.run_until_complete(task);
        return watch.nanoseconds_per(times);
    }

private:
    loop loop_;
};

/// Seconds that another thread needs to list all tasks while the loop runs.
double list_tasks(std::size_t count) {
    crowd tasks(count);
    std::atomic<bool> is_listed = false;
    double seconds = 0;
    std::thread reader([&] {
        pin_loading_thread();
        const stopwatch watch(stopwatch::kind::wall);
        const auto listed = read_tasks();
        seconds = watch.nanoseconds_per(1) / 1e9;
        if (listed.size() < count) { seconds = 1e9; }  // wrong: nobody shall overlook that
        is_listed = true;
    });
    while (!is_listed) {
        tasks.yields(10'000);
    }
    reader.join();
    return seconds;
}

/// The least that reading a table can take: its memory copied once.
double copy_table(std::size_t count) {
    const std::vector<char> from(count * 256, 'x');
    std::vector<char> to(from.size());
    const stopwatch watch(stopwatch::kind::wall);
    std::memcpy(to.data(), from.data(), from.size());
    return watch.nanoseconds_per(1) / 1e9;
}

constexpr std::size_t crowd_size = 1'000'000;
constexpr std::size_t yields_beside = 2'000'000;

double yield_beside_snapshots(std::size_t count) {
    crowd tasks(crowd_size / (yields_beside / count));
    std::atomic<bool> is_over = false;
    std::atomic<int> snapshots = 0;
    std::thread reader([&] {
        pin_loading_thread();
        while (!is_over) {
            static_cast<void>(read_tasks());
            ++snapshots;
        }
    });
    const auto cost = tasks.yields(count);
    is_over = true;
    reader.join();
    return cost;
}

double yield_alone(std::size_t count) {
    return crowd(crowd_size / (yields_beside / count)).yields(count);
}

}  // namespace

const comparison spawn_cost_table{
    "spawn_cost_table",          "ns/task", "nothing", spawns, fill_records, count_only,
    comparison::kind::difference};
const comparison origin_10{"origin_10",
                           "ns/task",
                           "an origin of one site",
                           spawns,
                           spawn_with_origin<10>,
                           spawn_with_origin<1>,
                           comparison::kind::difference};
const comparison origin_10_native{"origin_10_native",          "ns/task",
                                  "no native origin",          spawns,
                                  spawn_with_native_origin,    spawn_without_native_origin,
                                  comparison::kind::difference};
const comparison snapshot_1m{"snapshot_1m", "s/snapshot", "a copy of as much memory", crowd_size,
                             list_tasks,    copy_table,   comparison::kind::ratio};
const comparison snapshot_disturbs{
    "snapshot_1m_disturbs", "ns/yield",  "a yield with no reader", yields_beside,
    yield_beside_snapshots, yield_alone, comparison::kind::ratio};

}  // namespace coroscope::benchmarks
