// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/datagram_endpoint.hpp>
#include <coroscope/runtime/loop.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>

#include <memory>
#include <string>
#include <vector>

namespace coroscope::detail {

/// A UDP socket with its names. Shared by the endpoint and the coroutines that use it.
class datagram_state {
public:
    explicit datagram_state(boost::asio::io_context& io) : socket(io) {}

    /// What Asio's operation on `socket` failed with, as its user should see it.
    [[noreturn]] void throw_failed(const boost::system::error_code& error,
                                   const std::string& doing) const;
    void expect_open() const;

    boost::asio::ip::udp::socket socket;
    std::vector<char> room = std::vector<char>(65'536);  ///< more than fits in any datagram
    std::string local;
    std::string remote;  ///< empty: not connected
};

/// Throws `boost::system::system_error` for what is no numeric address, nor `localhost`.
[[nodiscard]] boost::asio::ip::udp::endpoint numeric(const datagram_address& a);

/// A socket bound to the first address of `here` that works, connected to the first one of `there`;
/// null: not bound, or not connected.
[[nodiscard]] coro<std::shared_ptr<datagram_state>> open_datagram_socket(
    const datagram_address* here, const datagram_address* there, await_site where);

}  // namespace coroscope::detail
