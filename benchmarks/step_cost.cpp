// SPDX-License-Identifier: Apache-2.0
// What watching adds to a step: a thousand tasks that take turns, watched in different ways.
#include "benchmark.hpp"
#include "stopwatch.hpp"

#include <coroscope/instrumentation/flight_recorder.hpp>
#include <coroscope/instrumentation/loop_histograms.hpp>
#include <coroscope/instrumentation/loop_load.hpp>
#include <coroscope/instrumentation/slow.hpp>
#include <coroscope/instrumentation/wait_profiler.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>

#include <cstddef>

namespace coroscope::benchmarks {
namespace {

constexpr std::size_t tasks = 1000;
constexpr std::size_t steps = 2'000'000;

coro<> yielding(std::size_t times) {
    for (std::size_t i = 0; i < times; ++i) {
        co_await yield_now();
    }
}

double cost_of_step(loop& l, std::size_t count) {
    const auto each = count / tasks + 1;
    for (std::size_t i = 1; i < tasks; ++i) {
        l.create_task(yielding(each));
    }
    auto last = l.create_task(yielding(each));
    const stopwatch watch(stopwatch::kind::thread_processor);
    l.run_until_complete(last);
    return watch.nanoseconds_per(each * tasks);
}

double untimed(std::size_t count) {
    loop_options options;
    options.time_stats = false;
    loop l(options);
    return cost_of_step(l, count);
}

double timed(std::size_t count) {
    loop l;
    return cost_of_step(l, count);
}

double recorded(std::size_t count) {
    instrumentation::flight_recorder recorder;
    loop l;
    l.add_observer(recorder);
    return cost_of_step(l, count);
}

double wait_profiled(std::size_t count) {
    loop l;
    const instrumentation::wait_profiler profiler(l);
    return cost_of_step(l, count);
}

double with_histograms(std::size_t count) {
    loop l;
    const instrumentation::loop_histograms histograms(l);
    return cost_of_step(l, count);
}

/// All that may be left on in production.
double everything_on(std::size_t count) {
    instrumentation::flight_recorder recorder;
    instrumentation::slow_spotter spotter;
    instrumentation::loop_load load;
    loop l;
    spotter.attach_to(l);
    l.add_observer(recorder);
    l.add_observer(load);
    return cost_of_step(l, count);
}

double asio(std::size_t count) {
    return yield_1000.peer(count);
}

}  // namespace

const comparison step_cost_stats{
    "step_cost_stats",           "ns/step", "a step that is not timed", steps, timed, untimed,
    comparison::kind::difference};
const comparison step_cost_recorder{
    "step_cost_recorder",        "ns/step", "a step that is timed", steps, recorded, timed,
    comparison::kind::difference};
const comparison wait_profile{"wait_profile", "ns/suspension", "a step that is timed",      steps,
                              wait_profiled,  timed,           comparison::kind::difference};
const comparison loop_histograms{"loop_histograms", "ns/step", "a step that is timed",      steps,
                                 with_histograms,   timed,     comparison::kind::difference};
const comparison yield_1000_everything_on{
    "yield_1000_everything_on", "ns/yield", "boost::asio::awaitable", steps, everything_on, asio,
    comparison::kind::ratio};

}  // namespace coroscope::benchmarks
