// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include <string>

namespace coroscope::detail {

/// `127.0.0.1:80`, `[::1]:80`.
[[nodiscard]] std::string to_text(const boost::asio::ip::tcp::endpoint& endpoint);
[[nodiscard]] std::string to_text(const boost::asio::ip::udp::endpoint& endpoint);
/// As above, or a Unix-domain socket's path; `@name` in the abstract namespace, empty without one.
[[nodiscard]] std::string to_text(const boost::asio::generic::stream_protocol::endpoint& endpoint);

/// The endpoint of a path; throws `boost::system::system_error` naming one that is too long.
[[nodiscard]] boost::asio::local::stream_protocol::endpoint unix_endpoint(const std::string& path);

/// How messages call the two ends of a connected socket.
struct socket_names {
    std::string remote;
    std::string local;
};
[[nodiscard]] socket_names names_of(boost::asio::generic::stream_protocol::socket& socket);

}  // namespace coroscope::detail
