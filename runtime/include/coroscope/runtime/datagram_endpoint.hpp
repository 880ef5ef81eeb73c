// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/coro.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace coroscope {

namespace detail {
class datagram_channel;
}

/// The other side of a datagram: a numeric address and a port.
struct datagram_address {
    datagram_address() = default;
    datagram_address(std::string h, std::uint16_t p) : host(std::move(h)), port(p) {}
    std::string host;
    std::uint16_t port = 0;
    friend bool operator==(const datagram_address&, const datagram_address&) = default;
};

/// One datagram that has arrived.
struct datagram {
    datagram() {}       // NOLINT(modernize-use-equals-default): g++ 12 copies aggregates wrong
    std::string bytes;  ///< may be empty: so was the datagram
    datagram_address from;
};

/// A UDP socket.
///
///     auto socket = co_await coroscope::open_datagram_endpoint("127.0.0.1", 0);
///     const coroscope::datagram_address there("127.0.0.1", 9999);
///     co_await socket.send_to("ping", there);
///     auto answer = co_await socket.receive_from();
///
/// Datagrams may be lost, doubled and reordered by the network; the kernel drops those that come
/// while nobody receives and its buffer is full. **Cancellation** loses no datagram: one that has
/// arrived stays for the next `receive_from`, or is its result. **Errors**: an address where nobody
/// listens is no error of an unconnected endpoint; a connected one gets `connection_refused` at the
/// next operation, once, and works on. **Thread safety**: the loop's thread only; any number of
/// tasks may receive (each datagram goes to one of them) and send. **Lifetime**: must not outlive
/// its loop; destroying it closes it.
class datagram_endpoint {
public:
    /// For the library's own components.
    explicit datagram_endpoint(std::shared_ptr<detail::datagram_channel> channel) noexcept;
    datagram_endpoint(datagram_endpoint&& other) noexcept;
    datagram_endpoint& operator=(datagram_endpoint&& other) noexcept;
    ~datagram_endpoint();

    /// Completes when the kernel has taken it, as a rule at once. Throws
    /// `boost::system::system_error` naming the address, which must be numeric or `localhost`; for
    /// more than 65,507 bytes as well.
    [[nodiscard]] coro<> send_to(std::string bytes, datagram_address to,
                                 await_site where = await_site::current());
    /// To where the endpoint is connected; throws `invalid_state_error` if it is not.
    [[nodiscard]] coro<> send(std::string bytes, await_site where = await_site::current());
    /// Waits for a datagram of any size. Throws `invalid_state_error` once the endpoint is closed,
    /// also while it waits.
    [[nodiscard]] coro<datagram> receive_from(await_site where = await_site::current());

    /// Whoever waits gets an error. The second call does nothing.
    void close() noexcept;
    [[nodiscard]] bool is_closed() const noexcept;
    [[nodiscard]] std::uint16_t port() const noexcept;
    /// `127.0.0.1:8080`, `[::1]:8080`.
    [[nodiscard]] const std::string& local_endpoint() const noexcept;

private:
    std::shared_ptr<detail::datagram_channel> channel_;  ///< null: moved from
};

/// Binds to the first address of `host` that works (empty: all of the machine's, IPv4); port 0
/// takes any free one. Throws `boost::system::system_error` naming the address.
[[nodiscard]] coro<datagram_endpoint> open_datagram_endpoint(
    std::string host, std::uint16_t port, await_site where = await_site::current());

/// Connects to the first address of `host` that works: `send` goes there, and only what comes from
/// there is received.
[[nodiscard]] coro<datagram_endpoint> connect_datagram_endpoint(
    std::string host, std::uint16_t port, await_site where = await_site::current());

}  // namespace coroscope
