// SPDX-License-Identifier: Apache-2.0
// Ten coroutines deep, each awaiting the next, with nothing to wait for at the bottom.
#include "benchmark.hpp"
#include "measured_loop.hpp"
#include "stopwatch.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include <cstdint>

namespace coroscope::benchmarks {
namespace {

namespace asio = boost::asio;

constexpr int depth = 10;

coro<std::uint64_t> descend(int levels) {
    if (levels == 1) { co_return 1; }
    const auto below = co_await descend(levels - 1);
    co_return below + 1;
}

coro<std::uint64_t> chains(std::size_t count) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < count; ++i) {
        sum += co_await descend(depth);
    }
    co_return sum;
}

asio::awaitable<std::uint64_t> asio_descend(int levels) {
    if (levels == 1) { co_return 1; }
    const auto below = co_await asio_descend(levels - 1);
    co_return below + 1;
}

asio::awaitable<void> asio_chains(std::size_t count, std::uint64_t& sum) {
    for (std::size_t i = 0; i < count; ++i) {
        sum += co_await asio_descend(depth);
    }
}

double ours(std::size_t count, watching how) {
    measured_loop loop(how);
    auto main = loop->create_task(chains(count));
    const stopwatch watch(stopwatch::kind::thread_processor);
    loop->run_until_complete(main);
    return watch.nanoseconds_per(count);
}

double peer(std::size_t count) {
    asio::io_context io(1);
    std::uint64_t sum = 0;
    asio::co_spawn(io, asio_chains(count, sum), asio::detached);
    const stopwatch watch(stopwatch::kind::thread_processor);
    io.run();
    return watch.nanoseconds_per(count);
}

}  // namespace

const benchmark await_chain_10{"await_chain_10", "ns/chain", "boost::asio::awaitable",
                               200'000,          ours,       peer};

}  // namespace coroscope::benchmarks
