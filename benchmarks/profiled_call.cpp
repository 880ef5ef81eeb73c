// SPDX-License-Identifier: Apache-2.0
// What `profiler::profile_time` adds to a call, in a task: of a coroutine function, and of a plain
// one.
#include "benchmark.hpp"
#include "stopwatch.hpp"

#include <coroscope/instrumentation/profiler.hpp>
#include <coroscope/runtime/loop.hpp>

#include <cstddef>
#include <cstdint>
#include <thread>

namespace coroscope::benchmarks {
namespace {

constexpr std::size_t calls = 2'000'000;

[[gnu::noinline]] coro<std::uint64_t> next_later(std::uint64_t n) {
    co_return n + 1;
}

[[gnu::noinline]] std::uint64_t next(std::uint64_t n) {
    asm volatile("" : "+r"(n));
    return n + 1;
}

template <class F>
coro<std::uint64_t> await_often(std::size_t count, const F& f) {
    std::uint64_t n = 0;
    for (std::size_t i = 0; i < count; ++i) {
        n = co_await f(n);
    }
    co_return n;
}

template <class F>
coro<std::uint64_t> call_often(std::size_t count, const F& f) {
    std::uint64_t n = 0;
    for (std::size_t i = 0; i < count; ++i) {
        n = f(n);
    }
    co_return n;
}

double cost_of_call(coro<std::uint64_t> work, std::size_t count) {
    // What is counted atomically is cheaper in a process that never had a second thread.
    std::thread([] {}).join();
    loop l;
    auto calling = l.create_task(std::move(work));
    const stopwatch watch(stopwatch::kind::thread_processor);
    l.run_until_complete(calling);
    return watch.nanoseconds_per(count);
}

double awaited(std::size_t count) {
    return cost_of_call(await_often(count, next_later), count);
}

double timed_and_awaited(std::size_t count) {
    instrumentation::profiler profiler;
    const auto timed = profiler.profile_time("next_later", next_later);
    return cost_of_call(await_often(count, timed), count);
}

double called(std::size_t count) {
    return cost_of_call(call_often(count, next), count);
}

double timed_and_called(std::size_t count) {
    instrumentation::profiler profiler;
    const auto timed = profiler.profile_time("next", next);
    return cost_of_call(call_often(count, timed), count);
}

}  // namespace

const comparison profile_time_call{
    "profile_time_call", "ns/call", "the coroutine, not timed",  calls,
    timed_and_awaited,   awaited,   comparison::kind::difference};
const comparison profile_time_plain{
    "profile_time_plain", "ns/call", "the function, not timed",   calls,
    timed_and_called,     called,    comparison::kind::difference};

}  // namespace coroscope::benchmarks
