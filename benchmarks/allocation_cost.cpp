// SPDX-License-Identifier: Apache-2.0
// What a memory profiler adds to an allocation and its free, in a task.
#include "benchmark.hpp"
#include "stopwatch.hpp"

#include <coroscope/instrumentation/detail/allocation_feed.hpp>
#include <coroscope/instrumentation/memory_profiler.hpp>
#include <coroscope/runtime/loop.hpp>

#include <array>
#include <cstddef>

namespace coroscope::benchmarks {
namespace {

constexpr std::size_t allocations = 5'000'000;
constexpr std::size_t alive = 64;  // blocks that exist at a time

// As coroscope::operator_new_hooks has them, which all other rows would run with if it were linked.

[[gnu::noinline]] void* hooked_new(std::size_t size) {
    auto* const block = ::operator new(size);
    instrumentation::detail::note_allocation(block, size, __builtin_return_address(0));
    return block;
}

[[gnu::noinline]] void hooked_delete(void* block) noexcept {
    instrumentation::detail::note_free(block);
    ::operator delete(block);
}

void* plain_new(std::size_t size) {
    return ::operator new(size);
}

void plain_delete(void* block) noexcept {
    ::operator delete(block);
}

template <auto Allocate, auto Release>
coro<> allocate(std::size_t count, double& cost) {
    std::array<void*, alive> blocks{};
    const stopwatch watch(stopwatch::kind::thread_processor);
    for (std::size_t i = 0; i < count; ++i) {
        auto*& block = blocks[i % alive];
        Release(block);
        block = Allocate(64 + i % alive);
    }
    cost = watch.nanoseconds_per(count);
    for (auto* block : blocks) {
        Release(block);
    }
    co_return;
}

double cost_of_allocation(std::size_t count) {
    double cost = 0;
    loop l;
    l.run_until_complete(l.create_task(allocate<plain_new, plain_delete>(count, cost)));
    return cost;
}

double cost_of_profiled(std::size_t count, std::size_t period) {
    instrumentation::detail::memory_hooks_name = "a benchmark's";
    instrumentation::memory_profiler_options options;
    options.sample_period = period;
    options.calls = period == 0 ? 1 : 16;
    instrumentation::memory_profiler memory(options);
    const instrumentation::memory_scope scope(memory);
    double cost = 0;
    loop l;
    l.run_until_complete(l.create_task(allocate<hooked_new, hooked_delete>(count, cost)));
    return cost;
}

double exactly(std::size_t count) {
    return cost_of_profiled(count, 0);
}

double by_samples(std::size_t count) {
    return cost_of_profiled(count, std::size_t{512} * 1024);
}

}  // namespace

const comparison alloc_exact{"alloc_exact",
                             "ns/allocation",
                             "no profiler",
                             allocations,
                             exactly,
                             cost_of_allocation,
                             comparison::kind::difference};
const comparison alloc_sampled{"alloc_sampled",
                               "ns/allocation",
                               "no profiler",
                               allocations,
                               by_samples,
                               cost_of_allocation,
                               comparison::kind::difference};

}  // namespace coroscope::benchmarks
