// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/clock.hpp>
#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/datagram_endpoint.hpp>
#include <coroscope/runtime/stream.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace coroscope::testkit {

namespace detail {
class network_state;
}  // namespace detail

/// What the way between two hosts is like, each way by itself.
struct link_options {
    duration latency{};  ///< until a segment or datagram arrives
    duration jitter{};   ///< and at most this much more, at random; streams stay in order
    /// Bytes a second; 0: no limit. Everything on the link shares it.
    std::uint64_t bandwidth = 0;
    /// How likely it is, from 0 to 1, that a segment or datagram is lost. A datagram is gone then,
    /// a segment is sent again
    double loss = 0;
    /// after this time, and whatever follows it in its stream waits.
    duration retransmission = std::chrono::milliseconds(200);
};

/// A host of a simulated network. A counted handle.
class network_host {
public:
    network_host(std::shared_ptr<detail::network_state> network, std::string name) noexcept
        : network_(std::move(network)),
          name_(std::move(name)) {}

    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    /// As `coroscope::open_connection`. Throws `boost::system::system_error`: `host_not_found`,
    /// `connection_refused` where nobody listens, `timed_out` after
    /// `network_options::connect_timeout` without a way.
    [[nodiscard]] coro<stream> open_connection(std::string host, std::uint16_t port,
                                               stream_options options = {},
                                               await_site where = await_site::current()) const;
    /// As `coroscope::start_server`; `host` is this one's name, or empty. Port 0 takes any free
    /// one. Throws `boost::system::system_error` where the port is in use.
    [[nodiscard]] coro<server> start_server(connection_handler handler, std::string host,
                                            std::uint16_t port, server_options options = {},
                                            await_site where = await_site::current()) const;
    /// As `coroscope::open_datagram_endpoint`; `host` is this one's name, or empty. Datagrams for
    /// which there is no host, no receiver or no way are lost in silence. Throws
    /// `boost::system::system_error` where the port is in use.
    [[nodiscard]] coro<datagram_endpoint> open_datagram_endpoint(
        std::string host, std::uint16_t port, await_site where = await_site::current()) const;
    /// As `coroscope::connect_datagram_endpoint`. Throws `boost::system::system_error` where there
    /// is no such host.
    [[nodiscard]] coro<datagram_endpoint> connect_datagram_endpoint(
        std::string host, std::uint16_t port, await_site where = await_site::current()) const;

private:
    std::shared_ptr<detail::network_state> network_;
    std::string name_;
};

struct network_options {
    /// Decides jitter and loss; unset: the test's seed.
    std::optional<std::uint64_t> seed;
    link_options link;  ///< all links, until they are told otherwise
    /// Bytes of a stream's direction on the way and not read yet; what is written beyond is unsent.
    std::size_t window = std::size_t{64} * 1024;
    std::size_t segment = 1460;  ///< bytes of a stream that travel, and are lost, together
    duration connect_timeout = std::chrono::minutes(1);
};

/// Hosts in this process, and what lies between them, in the loop's time: a test with a fake clock
/// has slow, lossy and broken networks at once, and the same again for the same seed.
///
///     network net;
///     net.set_link("client", "server", {.latency = 30ms, .loss = 0.1});
///     const auto served = co_await net.host("server").start_server(echo, "", 7);
///     auto s = co_await net.host("client").open_connection("server", 7);
///     net.partition("client", "server");
///
/// Code under test takes the functions that it connects and listens with as parameters; a host has
/// them with the signatures of the real ones. **Thread safety**: the loop's thread. **Lifetime**:
/// on the loop that ran when it was made; streams may outlive it.
class network {
public:
    /// Throws `std::logic_error` if no loop runs on this thread, `std::invalid_argument` for
    /// options that make no sense.
    explicit network(const network_options& options = {});

    /// The host of that name, new or known.
    network_host host(std::string name);
    /// Both ways; for what is sent from now on.
    void set_link(const std::string& a, const std::string& b, const link_options& options);
    /// Nothing passes between the two any more. Streams wait, datagrams are lost.
    void partition(const std::string& a, const std::string& b);
    /// Everything passes again; what waited is sent again, as after a loss.
    void heal(const std::string& a, const std::string& b);
    /// All streams between the two break, at both ends at once: `connection_reset`.
    void reset(const std::string& a, const std::string& b);

private:
    std::shared_ptr<detail::network_state> state_;
};

}  // namespace coroscope::testkit
