// SPDX-License-Identifier: Apache-2.0
// Tasks that do nothing but let each other run: the cost of one trip through the ready queue.
#include "benchmark.hpp"
#include "measured_loop.hpp"
#include "stopwatch.hpp"

#include <coroscope/runtime/sleep.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace coroscope::benchmarks {
namespace {

namespace asio = boost::asio;

coro<> yielding(std::size_t times) {
    for (std::size_t i = 0; i < times; ++i) {
        co_await yield_now();
    }
}

template <class Executor>
asio::awaitable<void, Executor> asio_yielding(std::size_t times) {
    for (std::size_t i = 0; i < times; ++i) {
        co_await asio::post(asio::use_awaitable_t<Executor>());
    }
}

// asio::deferred makes no second coroutine frame for each post.
template <class Executor>
asio::awaitable<void, Executor> asio_yielding_deferred(std::size_t times) {
    for (std::size_t i = 0; i < times; ++i) {
        co_await asio::post(asio::deferred);
    }
}

template <std::size_t Tasks>
double ours(std::size_t count, watching how) {
    measured_loop loop(how);
    const auto each = count / Tasks + 1;
    for (std::size_t i = 1; i < Tasks; ++i) {
        loop->create_task(yielding(each));
    }
    auto last = loop->create_task(yielding(each));
    const stopwatch watch(stopwatch::kind::thread_processor);
    loop->run_until_complete(last);
    return watch.nanoseconds_per(each * Tasks);
}

template <std::size_t Tasks, class Executor, auto Coroutine>
double peer(std::size_t count) {
    asio::io_context io(1);
    const Executor executor = io.get_executor();
    const auto each = count / Tasks + 1;
    for (std::size_t i = 0; i < Tasks; ++i) {
        asio::co_spawn(executor, Coroutine(each), asio::detached);
    }
    const stopwatch watch(stopwatch::kind::thread_processor);
    io.run();
    return watch.nanoseconds_per(each * Tasks);
}

}  // namespace

const benchmark yield_2{
    "yield_2", "ns/yield", "boost::asio::awaitable",
    2'000'000, ours<2>,    peer<2, asio::any_io_executor, asio_yielding<asio::any_io_executor>>};
const benchmark yield_1000{"yield_1000",
                           "ns/yield",
                           "boost::asio::awaitable",
                           2'000'000,
                           ours<1000>,
                           peer<1000, asio::any_io_executor, asio_yielding<asio::any_io_executor>>};
const benchmark yield_2_deferred{
    "yield_2_deferred",
    "ns/yield",
    "boost::asio::awaitable, awaiting asio::deferred",
    2'000'000,
    ours<2>,
    peer<2, asio::any_io_executor, asio_yielding_deferred<asio::any_io_executor>>};
const benchmark yield_2_concrete{"yield_2_concrete",
                                 "ns/yield",
                                 concrete_awaitable,
                                 2'000'000,
                                 ours<2>,
                                 peer<2, asio::io_context::executor_type,
                                      asio_yielding_deferred<asio::io_context::executor_type>>};

}  // namespace coroscope::benchmarks
