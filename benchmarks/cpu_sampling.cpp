// SPDX-License-Identifier: Apache-2.0
// What CPU sampling costs a program that computes: coroutines a few calls deep that take turns.
#include "benchmark.hpp"
#include "stopwatch.hpp"

#include <coroscope/instrumentation/cpu_profiler.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace coroscope::benchmarks {
namespace {

constexpr std::size_t tasks = 4;
constexpr std::size_t steps = 200'000;
constexpr int pairs = 3;

std::uint64_t volatile result_of_work;

[[gnu::noinline]] void compute() {
    auto value = result_of_work;
    for (int i = 0; i < 2'000; ++i) {
        value = value * 6'364'136'223'846'793'005 + 1'442'695'040'888'963'407;
    }
    result_of_work = value;
}

coro<> computing(std::size_t times) {
    for (std::size_t i = 0; i < times; ++i) {
        compute();
        co_await yield_now();
    }
}

double run_once(loop& l, std::size_t count) {
    const auto each = count / tasks + 1;
    for (std::size_t i = 1; i < tasks; ++i) {
        l.create_task(computing(each));
    }
    auto last = l.create_task(computing(each));
    const stopwatch watch(stopwatch::kind::thread_processor);
    l.run_until_complete(last);
    return watch.nanoseconds_per(each * tasks);
}

/// Per cent of CPU time of the sampled thread: the median of pairs that are measured in turns.
double slowdown(std::size_t count, int frequency) {
    instrumentation::cpu_profiler_options options;
    options.frequency = frequency;
    instrumentation::cpu_profiler profiler(options);
    loop l;
    profiler.attach_to(l);
    std::vector<double> percents;
    for (int i = 0; i < pairs; ++i) {
        const auto without = run_once(l, count);
        profiler.start();
        const auto with = run_once(l, count);
        static_cast<void>(profiler.stop());
        percents.push_back(100 * (with / without - 1));
    }
    std::sort(percents.begin(), percents.end());
    return std::max(percents[pairs / 2], 0.01);
}

template <int Frequency>
double sampled(std::size_t count) {
    return slowdown(count, Frequency);
}

template <int Percent>
double mark(std::size_t) {
    return Percent;
}

}  // namespace

const comparison cpu_sampling_250{"cpu_sampling_250", "per cent", "the mark, 1 %",        steps,
                                  sampled<250>,       mark<1>,    comparison::kind::ratio};
const comparison cpu_sampling_1000{"cpu_sampling_1000", "per cent", "the mark, 5 %",        steps,
                                   sampled<1000>,       mark<5>,    comparison::kind::ratio};

}  // namespace coroscope::benchmarks
