// SPDX-License-Identifier: Apache-2.0
// Two tasks that hand a number to and fro. Ours awaits futures; Asio's peer sends over two
// experimental channels.
#include "benchmark.hpp"
#include "measured_loop.hpp"
#include "stopwatch.hpp"

#include <coroscope/runtime/future.hpp>

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
    future<std::uint64_t> ping;
    future<std::uint64_t> pong;
};

coro<std::uint64_t> serve(loop& here, table& t, std::size_t rounds) {
    std::uint64_t ball = 0;
    for (std::size_t i = 0; i < rounds; ++i) {
        t.pong = here.create_future<std::uint64_t>();
        t.ping.set_result(ball + 1);
        ball = co_await t.pong;
    }
    co_return ball;
}

coro<> answer(loop& here, table& t, std::size_t rounds) {
    for (std::size_t i = 0; i < rounds; ++i) {
        const std::uint64_t ball = co_await t.ping;
        t.ping = here.create_future<std::uint64_t>();
        t.pong.set_result(ball + 1);
    }
}

double ours(std::size_t count, watching how) {
    measured_loop loop(how);
    table t;
    t.ping = loop->create_future<std::uint64_t>();
    loop->create_task(answer(*loop, t, count));
    auto main = loop->create_task(serve(*loop, t, count));
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
