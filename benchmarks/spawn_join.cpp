// SPDX-License-Identifier: Apache-2.0
// A task that starts another and waits for its result, over and over.
#include "benchmark.hpp"
#include "measured_loop.hpp"
#include "stopwatch.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <cstdint>

namespace coroscope::benchmarks {
namespace {

namespace asio = boost::asio;

coro<std::uint64_t> child(std::uint64_t value) {
    co_return value + 1;
}

coro<std::uint64_t> parent(std::size_t count) {
    auto& here = get_running_loop();
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const auto started = here.create_task(child(i));
        sum += co_await started;
    }
    co_return sum;
}

template <class Executor>
asio::awaitable<std::uint64_t, Executor> asio_child(std::uint64_t value) {
    co_return value + 1;
}

template <class Executor>
asio::awaitable<void, Executor> asio_parent(std::size_t count, std::uint64_t& sum) {
    constexpr asio::use_awaitable_t<Executor> use_awaitable;
    const auto here = co_await asio::this_coro::executor;
    for (std::size_t i = 0; i < count; ++i) {
        sum += co_await asio::co_spawn(here, asio_child<Executor>(i), use_awaitable);
    }
}

double ours(std::size_t count, watching how) {
    measured_loop loop(how);
    auto main = loop->create_task(parent(count));
    const stopwatch watch(stopwatch::kind::thread_processor);
    loop->run_until_complete(main);
    return watch.nanoseconds_per(count);
}

template <class Executor>
double peer(std::size_t count) {
    asio::io_context io(1);
    const Executor executor = io.get_executor();
    std::uint64_t sum = 0;
    asio::co_spawn(executor, asio_parent<Executor>(count, sum), asio::detached);
    const stopwatch watch(stopwatch::kind::thread_processor);
    io.run();
    return watch.nanoseconds_per(count);
}

}  // namespace

const benchmark spawn_join{"spawn_join", "ns/task", "boost::asio::awaitable",
                           500'000,      ours,      peer<asio::any_io_executor>};
const benchmark spawn_join_concrete{"spawn_join_concrete",
                                    "ns/task",
                                    concrete_awaitable,
                                    500'000,
                                    ours,
                                    peer<asio::io_context::executor_type>};

}  // namespace coroscope::benchmarks
