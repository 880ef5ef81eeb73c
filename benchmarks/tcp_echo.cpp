// SPDX-License-Identifier: Apache-2.0
// An echo server with fifty or a thousand busy connections, driven over the loopback interface.
#include "benchmark.hpp"
#include "echo_load.hpp"
#include "measured_loop.hpp"

#include <coroscope/runtime/asio.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/system/system_error.hpp>

#include <array>
#include <vector>

namespace coroscope::benchmarks {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

constexpr std::size_t buffer_bytes = 1024;

[[nodiscard]] tcp::endpoint any_port_of_loopback() {
    return {asio::ip::address_v4::loopback(), 0};
}

coro<> session(tcp::socket socket) {
    std::array<char, buffer_bytes> data;
    try {
        for (;;) {
            const auto bytes = co_await socket.async_read_some(asio::buffer(data), use_coro);
            co_await asio::async_write(socket, asio::buffer(data, bytes), use_coro);
        }
    } catch (const boost::system::system_error&) {  // NOLINT(bugprone-empty-catch)
        // The client has closed the connection.
    }
}

coro<> serve(tcp::acceptor& acceptor, std::size_t connections) {
    std::vector<task<>> sessions;
    for (std::size_t i = 0; i < connections; ++i) {
        auto socket = co_await acceptor.async_accept(use_coro);
        socket.set_option(tcp::no_delay(true));
        sessions.push_back(get_running_loop().create_task(session(std::move(socket))));
    }
    for (const auto& each : sessions) {
        co_await each;
    }
}

asio::awaitable<void> asio_session(tcp::socket socket) {
    std::array<char, buffer_bytes> data;
    try {
        for (;;) {
            const auto bytes =
                co_await socket.async_read_some(asio::buffer(data), asio::use_awaitable);
            co_await asio::async_write(socket, asio::buffer(data, bytes), asio::use_awaitable);
        }
    } catch (const boost::system::system_error&) {  // NOLINT(bugprone-empty-catch)
        // The client has closed the connection.
    }
}

asio::awaitable<void> asio_serve(tcp::acceptor& acceptor, std::size_t connections) {
    const auto here = co_await asio::this_coro::executor;
    for (std::size_t i = 0; i < connections; ++i) {
        auto socket = co_await acceptor.async_accept(asio::use_awaitable);
        socket.set_option(tcp::no_delay(true));
        asio::co_spawn(here, asio_session(std::move(socket)), asio::detached);
    }
}

template <std::size_t Connections>
double ours(std::size_t count, watching how) {
    measured_loop loop(how);
    tcp::acceptor acceptor(loop->io_context(), any_port_of_loopback());
    auto server = loop->create_task(serve(acceptor, Connections));
    echo_load load(acceptor.local_endpoint().port(), Connections, count);
    loop->run_until_complete(server);
    return load.nanoseconds_per_round_trip();
}

template <std::size_t Connections>
double peer(std::size_t count) {
    asio::io_context io(1);
    tcp::acceptor acceptor(io, any_port_of_loopback());
    asio::co_spawn(io, asio_serve(acceptor, Connections), asio::detached);
    echo_load load(acceptor.local_endpoint().port(), Connections, count);
    io.run();
    return load.nanoseconds_per_round_trip();
}

}  // namespace

const benchmark tcp_echo_50{"tcp_echo_50", "ns/round trip", "boost::asio::use_awaitable",
                            60'000,        ours<50>,        peer<50>};
const benchmark tcp_echo_1000{"tcp_echo_1000", "ns/round trip", "boost::asio::use_awaitable",
                              60'000,          ours<1000>,      peer<1000>};

}  // namespace coroscope::benchmarks
