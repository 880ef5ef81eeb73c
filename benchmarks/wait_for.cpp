// SPDX-License-Identifier: Apache-2.0
// Work with a time limit that it meets, as every request of a service has one. The work is one trip
// through the ready queue, so that the limit is armed and taken back each time.
#include "benchmark.hpp"
#include "measured_loop.hpp"
#include "stopwatch.hpp"

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/sleep.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>

namespace coroscope::benchmarks {
namespace {

namespace asio = boost::asio;

constexpr auto limit = std::chrono::minutes(1);

coro<> work() {
    co_await yield_now();
}

coro<> repeat(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        co_await wait_for(work(), limit);
    }
}

double ours(std::size_t count, watching how) {
    measured_loop loop(how);
    auto all = loop->create_task(repeat(count));
    const stopwatch watch(stopwatch::kind::thread_processor);
    loop->run_until_complete(all);
    return watch.nanoseconds_per(count);
}

asio::awaitable<void> asio_work() {
    co_await asio::post(asio::use_awaitable);
}

asio::awaitable<void> asio_timeout() {
    asio::steady_timer timer(co_await asio::this_coro::executor, limit);
    co_await timer.async_wait(asio::use_awaitable);
}

asio::awaitable<void> asio_repeat(std::size_t count) {
    using namespace asio::experimental::awaitable_operators;
    for (std::size_t i = 0; i < count; ++i) {
        co_await (asio_work() || asio_timeout());
    }
}

double peer(std::size_t count) {
    asio::io_context io(1);
    asio::co_spawn(io, asio_repeat(count), asio::detached);
    const stopwatch watch(stopwatch::kind::thread_processor);
    io.run();
    return watch.nanoseconds_per(count);
}

}  // namespace

const benchmark wait_for_in_time{"wait_for", "ns/call", "boost::asio awaitable operator ||",
                                 100'000,    ours,      peer};

}  // namespace coroscope::benchmarks
