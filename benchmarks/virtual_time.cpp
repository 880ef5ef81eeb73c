// SPDX-License-Identifier: Apache-2.0
// What it takes to pass virtual time in a test: a year second by second, and a million timers.
#include "benchmark.hpp"
#include "stopwatch.hpp"

#include <coroscope/runtime/sleep.hpp>
#include <coroscope/testkit/test_run.hpp>

#include <chrono>
#include <random>
#include <stdexcept>

namespace coroscope::benchmarks {
namespace {

constexpr std::size_t seconds_of_a_year = std::size_t{365} * 24 * 3600;
constexpr std::size_t million = 1'000'000;

/// Runs a test as users do, without its real time limit: seconds of processor time.
template <class F>
[[nodiscard]] double seconds_of_test(F& body) {
    testkit::test_options options;
    options.time_limit = duration::zero();
    options.seed = 42;
    const stopwatch watch(stopwatch::kind::thread_processor);
    const auto result = testkit::run_test(body, options);
    const auto took = watch.nanoseconds() * 1e-9;
    if (!result.ok()) { throw std::runtime_error(to_string(result)); }
    return took;
}

coro<> tick(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        co_await sleep_for(std::chrono::seconds(1));
    }
}

double pass_a_year(std::size_t count) {
    const auto body = [count] {
        return tick(count);
    };
    return seconds_of_test(body) * static_cast<double>(seconds_of_a_year)
           / static_cast<double>(count);
}

/// Arms timers at pseudo-random instants of a day, each with a callback, and lets the day pass.
coro<> arm_and_fire(std::size_t count) {
    auto& in = get_running_loop();
    std::mt19937_64 random(testkit::this_test().seed());
    std::uniform_int_distribution<duration::rep> in_a_day(0,
                                                          duration(std::chrono::hours(24)).count());
    std::size_t fired = 0;
    const auto note = [&fired] {
        ++fired;
    };
    for (std::size_t i = 0; i < count; ++i) {
        in.call_later(duration(in_a_day(random)), note);
    }
    co_await sleep_for(std::chrono::hours(25));
    if (fired != count) { throw std::logic_error("a virtual timer has not fired"); }
}

double fire_a_million(std::size_t count) {
    const auto body = [count] {
        return arm_and_fire(count);
    };
    return seconds_of_test(body) * static_cast<double>(million) / static_cast<double>(count);
}

double mark_of_a_year(std::size_t) {
    return 10;
}

double mark_of_a_million(std::size_t) {
    return 1.5;
}

}  // namespace

const comparison virtual_year{"virtual_year",         "s",         "what it may take",
                              seconds_of_a_year,      pass_a_year, mark_of_a_year,
                              comparison::kind::ratio};
const comparison virtual_timers_1m{
    "virtual_timers_1m",    "s", "what it may take", million, fire_a_million, mark_of_a_million,
    comparison::kind::ratio};

}  // namespace coroscope::benchmarks
