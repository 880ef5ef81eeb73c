// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/datagram_endpoint.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace coroscope::detail {

/// What a `datagram_endpoint` sends and receives through: a socket, or a network that the test kit
/// simulates. Shared by the endpoint and the coroutines that use it, which keep it alive.
/// **Thread safety**: the loop's thread only.
class datagram_channel : public std::enable_shared_from_this<datagram_channel> {
public:
    datagram_channel(const datagram_channel&) = delete;
    datagram_channel& operator=(const datagram_channel&) = delete;
    virtual ~datagram_channel() = default;

    /// Without an address: to where it is connected. Throws `invalid_state_error` once it is
    /// closed, and where it is not connected.
    [[nodiscard]] virtual coro<> send(std::string bytes, std::optional<datagram_address> to,
                                      await_site where) = 0;
    /// Throws `invalid_state_error` once it is closed, also while it waits.
    [[nodiscard]] virtual coro<datagram> receive(await_site where) = 0;
    virtual void close() noexcept = 0;
    [[nodiscard]] virtual bool is_closed() const noexcept = 0;
    [[nodiscard]] virtual std::uint16_t port() const noexcept = 0;
    /// The address, as text.
    [[nodiscard]] virtual const std::string& local() const noexcept = 0;

protected:
    datagram_channel() = default;
};

}  // namespace coroscope::detail
