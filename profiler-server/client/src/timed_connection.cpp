// SPDX-License-Identifier: Apache-2.0
#include "timed_connection.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>

#include <algorithm>

namespace coroscope::profiler_server {

namespace asio = boost::asio;
using asio::ip::tcp;

timed_connection::timed_connection(std::chrono::milliseconds timeout)
    : deadline_(std::chrono::steady_clock::now() + timeout) {}

// Runs one asynchronous operation to its end or to the deadline.
template <typename Start>
timed_connection::outcome timed_connection::finish(step doing, Start start) {
    boost::system::error_code result = asio::error::would_block;
    start([&result](const boost::system::error_code& error, const auto&) { result = error; });
    context_.restart();
    context_.run_until(deadline_);
    if (!context_.stopped()) {  // the operation still refers to `result`: let it end
        boost::system::error_code ignored;
        socket_.close(ignored);
        context_.run();
        return {step::timeout, "", ""};
    }
    return result ? outcome{doing, result.message(), ""} : outcome{};
}

// "localhost" is where a server listens that was told so, also where no hosts file says so, as in a
// bare container (RFC 6761).
std::vector<tcp::endpoint> timed_connection::resolve(const std::string& host, std::uint16_t port,
                                                     boost::system::error_code& error) {
    if (host == "localhost") { return {{asio::ip::address_v4::loopback(), port}}; }
    tcp::resolver resolver(context_);
    std::vector<tcp::endpoint> endpoints;
    for (const auto& found : resolver.resolve(host, std::to_string(port), error)) {
        endpoints.push_back(found.endpoint());
    }
    return endpoints;
}

timed_connection::outcome timed_connection::exchange(const std::string& host, std::uint16_t port,
                                                     const std::string& request,
                                                     std::size_t max_reply_bytes) {
    boost::system::error_code error;
    const auto endpoints = resolve(host, port, error);
    if (error) { return {step::connect, error.message(), ""}; }
    auto state =
        finish(step::connect, [&](auto done) { asio::async_connect(socket_, endpoints, done); });
    if (state.failed == step::none) {
        state = finish(step::transfer,
                       [&](auto done) { asio::async_write(socket_, asio::buffer(request), done); });
    }
    if (state.failed == step::none) {
        // Who goes before the answer is there, or is killed, resets the connection: the server sees
        // that nobody waits any more.
        boost::system::error_code ignored;
        socket_.set_option(asio::socket_base::linger(true, 0), ignored);
    }
    std::string reply;
    if (state.failed == step::none) {
        state = finish(step::transfer, [&](auto done) {
            asio::async_read_until(socket_, asio::dynamic_buffer(reply, max_reply_bytes), '\n',
                                   done);
        });
    }
    if (state.failed == step::none) {
        boost::system::error_code ignored;
        socket_.set_option(asio::socket_base::linger(false, 0), ignored);
        reply.resize(std::min(reply.find('\n'), reply.size()));
        state.reply = std::move(reply);
    }
    return state;
}

}  // namespace coroscope::profiler_server
