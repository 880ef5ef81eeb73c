// SPDX-License-Identifier: Apache-2.0
// Values taken one by one out of an asynchronous generator; the peer is Asio's experimental::coro.
#include "benchmark.hpp"
#include "measured_loop.hpp"
#include "stopwatch.hpp"

#include <coroscope/runtime/generator.hpp>

#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/co_spawn.hpp>
#include <boost/asio/experimental/coro.hpp>
#include <boost/asio/io_context.hpp>

#include <cstdint>

namespace coroscope::benchmarks {
namespace {

namespace asio = boost::asio;
template <class T>
using asio_coro = asio::experimental::coro<T>;

async_generator<std::uint64_t> numbers(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        co_yield i;
    }
}

coro<std::uint64_t> consume(std::size_t count) {
    auto source = numbers(count);
    std::uint64_t sum = 0;
    for (;;) {
        const auto value = co_await source.next();
        if (!value) { break; }
        sum += *value;
    }
    co_return sum;
}

asio_coro<std::uint64_t> asio_numbers(asio::io_context&, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        co_yield i;
    }
}

asio_coro<void> asio_consume(asio::io_context& io, std::size_t count, std::uint64_t& sum) {
    auto source = asio_numbers(io, count);
    for (;;) {
        const auto value = co_await source;
        if (!value) { break; }
        sum += *value;
    }
}

double ours(std::size_t count, watching how) {
    measured_loop loop(how);
    auto main = loop->create_task(consume(count));
    const stopwatch watch(stopwatch::kind::thread_processor);
    loop->run_until_complete(main);
    return watch.nanoseconds_per(count);
}

double peer(std::size_t count) {
    asio::io_context io(1);
    std::uint64_t sum = 0;
    asio::experimental::co_spawn(asio_consume(io, count, sum), asio::detached);
    const stopwatch watch(stopwatch::kind::thread_processor);
    io.run();
    return watch.nanoseconds_per(count);
}

}  // namespace

const benchmark generator_next{"generator_next", "ns/value", "boost::asio::experimental::coro",
                               1'000'000,        ours,       peer};

}  // namespace coroscope::benchmarks
