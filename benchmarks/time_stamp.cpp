// SPDX-License-Identifier: Apache-2.0
// What the loop pays once a step, and the yardstick for all other figures of the run.
#include "benchmark.hpp"
#include "stopwatch.hpp"

#include <coroscope/runtime/detail/tick_clock.hpp>

#include <chrono>
#include <cstdint>

namespace coroscope::benchmarks {
namespace {

constexpr std::size_t reads = 1'000'000;

std::uint64_t volatile last_read;

}  // namespace

double cost_of_time_stamp() {
    const stopwatch watch(stopwatch::kind::thread_processor);
    for (std::size_t i = 0; i < reads; ++i) {
        last_read = detail::tick_clock::now();
    }
    return watch.nanoseconds_per(reads);
}

double cost_of_steady_clock() {
    const stopwatch watch(stopwatch::kind::thread_processor);
    for (std::size_t i = 0; i < reads; ++i) {
        last_read =
            static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
    }
    return watch.nanoseconds_per(reads);
}

}  // namespace coroscope::benchmarks
