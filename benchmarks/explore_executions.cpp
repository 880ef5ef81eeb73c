// SPDX-License-Identifier: Apache-2.0
// How fast an exploration is: executions of a small program, judged as tests are.
#include "benchmark.hpp"
#include "stopwatch.hpp"

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/mutex.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/testkit/explore.hpp>

#include <chrono>
#include <cstddef>
#include <stdexcept>

namespace coroscope::benchmarks {
namespace {

constexpr std::size_t executions = 200'000;

coro<> add_twice(int& sum, mutex& m) {
    for (int i = 0; i < 2; ++i) {
        {
            const auto lock = co_await m.scoped();
            const int before = sum;
            co_await yield_now();
            sum = before + 1;
        }
        co_await sleep_for(std::chrono::seconds(1));
    }
}

/// Some twenty steps of four tasks.
coro<> program() {
    int sum = 0;
    mutex m;
    co_await gather(add_twice(sum, m), add_twice(sum, m), add_twice(sum, m));
    if (sum != 6) { throw std::logic_error("an update was lost"); }
}

double explored(std::size_t count) {
    testkit::explore_options options;
    options.strategy = testkit::strategy::random_walk;
    options.max_executions = count;
    options.seed = 1;
    const stopwatch watch(stopwatch::kind::thread_processor);
    const auto tried = testkit::explore(program, options);
    if (!tried.ok()) { throw std::logic_error(to_string(tried)); }
    return 1e9 / watch.nanoseconds_per(count);
}

double mark(std::size_t) {
    return 200'000;
}

}  // namespace

const comparison explore_executions{
    "explore_executions",  "executions/s", "the mark, 200,000", executions, explored, mark,
    comparison::kind::rate};

}  // namespace coroscope::benchmarks
