// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace coroscope::profiler_server {

/// One question and its answer over TCP, within a time that holds for all of it.
class timed_connection {
public:
    enum class step { none, connect, transfer, timeout };

    struct outcome {
        step failed = step::none;
        std::string reason;
        std::string reply;  ///< one line, where nothing failed
    };

    explicit timed_connection(std::chrono::milliseconds timeout);

    [[nodiscard]] outcome exchange(const std::string& host, std::uint16_t port,
                                   const std::string& request, std::size_t max_reply_bytes);

private:
    [[nodiscard]] std::vector<boost::asio::ip::tcp::endpoint> resolve(
        const std::string& host, std::uint16_t port, boost::system::error_code& error);
    template <typename Start>
    [[nodiscard]] outcome finish(step doing, Start start);

    std::chrono::steady_clock::time_point deadline_;
    boost::asio::io_context context_{1};
    boost::asio::ip::tcp::socket socket_{context_};
};

}  // namespace coroscope::profiler_server
