// SPDX-License-Identifier: Apache-2.0
// An echo server with fifty busy connections over TLS: streams beside asio::ssl::stream, with the
// same certificate and settings.
#include "benchmark.hpp"
#include "echo_load.hpp"
#include "measured_loop.hpp"
#include "runtime/test_certificates.hpp"

#include <coroscope/runtime/event.hpp>
#include <coroscope/runtime/stream.hpp>
#include <coroscope/runtime/tls.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/system/system_error.hpp>

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace coroscope::benchmarks {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using tls_socket = asio::ssl::stream<tcp::socket>;

constexpr std::size_t connections = 50;
constexpr std::size_t buffer_bytes = 1024;

[[nodiscard]] tls_context make_context() {
    const test_certificates::authority authority;
    const auto credentials = authority.issue("localhost", "IP:127.0.0.1");
    auto made = tls_context::server();
    made.use_certificate(credentials.certificate);
    made.use_private_key(credentials.key);
    return made;
}

/// Counts the connections that have ended.
struct ending {
    std::size_t left = connections;
    event all;
};

coro<> echo(stream s, ending& ends) {
    try {
        std::string bytes = co_await s.read(buffer_bytes);
        while (!bytes.empty()) {
            s.write(bytes);
            co_await s.drain();
            bytes = co_await s.read(buffer_bytes);
        }
    } catch (const boost::system::system_error&) {  // NOLINT(bugprone-empty-catch)
        // The client has cut the connection.
    }
    s.abort();
    if (--ends.left == 0) { ends.all.set(); }
}

coro<> serve(tls_context context, std::function<void(std::uint16_t)> ready) {
    ending ends;
    const auto handler = [&ends](stream s) {
        return echo(std::move(s), ends);
    };
    const auto shaking_hands_first = with_tls(handler, context);
    auto server = co_await start_server(shaking_hands_first, "127.0.0.1", 0);
    ready(server.port());
    co_await ends.all.wait();
    server.close();
    co_await server.wait_closed();
}

double ours(std::size_t count, watching how) {
    measured_loop loop(how);
    std::optional<echo_load> load;
    const auto ready = [&load, count](std::uint16_t port) {
        load.emplace(port, connections, count, echo_load::transport::tls);
    };
    loop->run_until_complete(loop->create_task(serve(make_context(), ready)));
    return load->nanoseconds_per_round_trip();
}

asio::awaitable<void> asio_echo(tls_socket s) {
    std::array<char, buffer_bytes> data;
    try {
        co_await s.async_handshake(tls_socket::server, asio::use_awaitable);
        for (;;) {
            const auto bytes = co_await s.async_read_some(asio::buffer(data), asio::use_awaitable);
            co_await asio::async_write(s, asio::buffer(data, bytes), asio::use_awaitable);
        }
    } catch (const boost::system::system_error&) {  // NOLINT(bugprone-empty-catch)
        // The client has cut the connection.
    }
}

asio::awaitable<void> asio_serve(tcp::acceptor& acceptor, asio::ssl::context& context) {
    const auto here = co_await asio::this_coro::executor;
    for (std::size_t i = 0; i < connections; ++i) {
        auto socket = co_await acceptor.async_accept(asio::use_awaitable);
        socket.set_option(tcp::no_delay(true));
        asio::co_spawn(here, asio_echo(tls_socket(std::move(socket), context)), asio::detached);
    }
}

double peer(std::size_t count) {
    const auto context = make_context();
    asio::io_context io(1);
    tcp::acceptor acceptor(io, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    asio::co_spawn(io, asio_serve(acceptor, context.native()), asio::detached);
    echo_load load(acceptor.local_endpoint().port(), connections, count, echo_load::transport::tls);
    io.run();
    return load.nanoseconds_per_round_trip();
}

}  // namespace

const benchmark tls_echo_50{
    "tls_echo_50", "ns/round trip", "boost::asio::ssl::stream", 60'000, ours, peer};

}  // namespace coroscope::benchmarks
