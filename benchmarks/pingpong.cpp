// SPDX-License-Identifier: Apache-2.0
// Two tasks that hand a number to and fro over two queues of capacity 1; Asio's peer over two
// experimental channels of that capacity.
#include "benchmark.hpp"
#include "measured_loop.hpp"
#include "stopwatch.hpp"

#include <coroscope/runtime/queue.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/channel.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <cstdint>

namespace coroscope::benchmarks {
namespace {

namespace asio = boost::asio;

struct table {
    queue<std::uint64_t> ping{1};
    queue<std::uint64_t> pong{1};
};

coro<std::uint64_t> serve(table& t, std::size_t rounds) {
    std::uint64_t ball = 0;
    for (std::size_t i = 0; i < rounds; ++i) {
        co_await t.ping.put(ball + 1);
        ball = co_await t.pong.get();
    }
    co_return ball;
}

coro<> answer(table& t, std::size_t rounds) {
    for (std::size_t i = 0; i < rounds; ++i) {
        const std::uint64_t ball = co_await t.ping.get();
        co_await t.pong.put(ball + 1);
    }
}

double ours(std::size_t count, watching how) {
    table t;
    measured_loop loop(how);
    loop->create_task(answer(t, count));
    auto main = loop->create_task(serve(t, count));
    const stopwatch watch(stopwatch::kind::thread_processor);
    loop->run_until_complete(main);
    return watch.nanoseconds_per(count);
}

using channel = asio::experimental::channel<void(boost::system::error_code, std::uint64_t)>;

struct asio_table {
    channel ping;
    channel pong;
};

asio::awaitable<void> asio_serve(asio_table& t, std::size_t rounds) {
    std::uint64_t ball = 0;
    for (std::size_t i = 0; i < rounds; ++i) {
        co_await t.ping.async_send(boost::system::error_code(), ball + 1, asio::deferred);
        ball = co_await t.pong.async_receive(asio::deferred);
    }
}

asio::awaitable<void> asio_answer(asio_table& t, std::size_t rounds) {
    for (std::size_t i = 0; i < rounds; ++i) {
        const auto ball = co_await t.ping.async_receive(asio::deferred);
        co_await t.pong.async_send(boost::system::error_code(), ball + 1, asio::deferred);
    }
}

double peer(std::size_t count) {
    asio::io_context io(1);
    asio_table t{channel(io, 1), channel(io, 1)};
    asio::co_spawn(io, asio_answer(t, count), asio::detached);
    asio::co_spawn(io, asio_serve(t, count), asio::detached);
    const stopwatch watch(stopwatch::kind::thread_processor);
    io.run();
    return watch.nanoseconds_per(count);
}

}  // namespace

const benchmark queue_pingpong{
    "queue_pingpong", "ns/round trip", "boost::asio::experimental::channel", 500'000, ours, peer};

}  // namespace coroscope::benchmarks
