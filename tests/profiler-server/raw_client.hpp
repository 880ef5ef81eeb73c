// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/profiler_server/server.hpp>

#include "support/catch.hpp"

#include <boost/asio.hpp>
#include <nlohmann/json.hpp>

#include <chrono>
#include <cstddef>
#include <string>
#include <thread>
#include <utility>

namespace coroscope::test_support {

/// A client without manners: sends what it is told to.
class raw_client {
public:
    explicit raw_client(const profiler_server::profiler_server& server) {
        socket_.connect({boost::asio::ip::make_address(server.host()), server.port()});
    }

    void send(const std::string& bytes) {
        boost::system::error_code ignored;
        boost::asio::write(socket_, boost::asio::buffer(bytes), ignored);
    }

    void send_no_more() { socket_.shutdown(boost::asio::ip::tcp::socket::shutdown_send); }

    /// Goes as a program does that crashes: the server's side is told.
    void reset() {
        socket_.set_option(boost::asio::socket_base::linger(true, 0));
        socket_.close();
    }

    /// One reply.
    nlohmann::json receive() {
        const auto length =
            boost::asio::read_until(socket_, boost::asio::dynamic_buffer(buffer_), '\n');
        const auto reply = nlohmann::json::parse(buffer_.substr(0, length));
        buffer_.erase(0, length);
        return reply;
    }

    /// All that comes until the server closes.
    std::string receive_rest() {
        boost::system::error_code error;
        boost::asio::read(socket_, boost::asio::dynamic_buffer(buffer_), error);
        CHECK(error == boost::asio::error::eof);
        return std::exchange(buffer_, {});
    }

private:
    boost::asio::io_context context_;
    boost::asio::ip::tcp::socket socket_{context_};
    std::string buffer_;
};

inline void wait_until_open(const profiler_server::profiler_server& server,
                            std::size_t connections) {
    const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (server.connections() != connections && std::chrono::steady_clock::now() < patience) {
        std::this_thread::yield();
    }
    CHECK(server.connections() == connections);
}

}  // namespace coroscope::test_support
