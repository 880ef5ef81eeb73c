// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "network_link.hpp"

#include <coroscope/runtime/future.hpp>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>

namespace coroscope::testkit::detail {

/// Datagrams that have arrived at a port.
class datagram_box {
public:
    datagram_box(std::shared_ptr<network_state> network, std::string host, std::uint16_t port)
        : address(std::move(host), port),
          network_(std::move(network)) {}

    [[nodiscard]] bool is_closed() const noexcept { return is_closed_; }
    void close() noexcept;
    void put(datagram one);
    void send(std::string bytes, const datagram_address& to);
    [[nodiscard]] static coro<datagram> take(std::shared_ptr<datagram_box> from);

    const datagram_address address;

private:
    /// One of those who receive.
    void wake_one() noexcept;

    std::shared_ptr<network_state> network_;
    std::deque<datagram> arrived_;
    std::deque<future<>> receivers_;
    bool is_closed_ = false;
};

/// What the handles of a network share.
class network_state {
public:
    network_state(loop& in, const network_options& options, std::uint64_t seed);

    void add_host(const std::string& name) { hosts_.insert(name); }
    /// From one host to the other; made when it is asked for.
    [[nodiscard]] const std::shared_ptr<network_link>& link(const std::string& from,
                                                            const std::string& to);
    [[nodiscard]] server listen(const std::string& host, std::uint16_t port,
                                connection_handler handler, const server_options& options,
                                await_site where);
    [[nodiscard]] static coro<stream> connect(std::shared_ptr<network_state> network,
                                              std::string from, std::string to, std::uint16_t port,
                                              stream_options options);
    [[nodiscard]] static std::shared_ptr<datagram_box> bind(
        const std::shared_ptr<network_state>& network, const std::string& host, std::uint16_t port);
    /// The receiver at an address; null if there is none.
    [[nodiscard]] std::shared_ptr<datagram_box> box_at(const datagram_address& at) const;
    [[nodiscard]] loop& in() const noexcept { return loop_; }

private:
    using port_of_host = std::pair<std::string, std::uint16_t>;
    using acceptor = std::shared_ptr<coroscope::detail::simulated_acceptor>;

    [[nodiscard]] static coro<stream> shake_hands(std::shared_ptr<network_state> network,
                                                  std::string from, std::string to,
                                                  std::uint16_t port, stream_options options);
    [[nodiscard]] acceptor acceptor_at(const std::string& host, std::uint16_t port) const;
    [[nodiscard]] stream join(const std::string& from, const std::string& to, std::uint16_t port,
                              const stream_options& options);
    [[nodiscard]] std::uint16_t free_port(const std::string& host);

    loop& loop_;
    network_options options_;
    std::shared_ptr<std::mt19937_64> random_;
    std::set<std::string> hosts_;
    std::map<std::pair<std::string, std::string>, std::shared_ptr<network_link>> links_;
    std::map<port_of_host, acceptor> acceptors_;
    std::map<port_of_host, std::weak_ptr<datagram_box>> boxes_;
    std::map<std::string, std::uint16_t> next_ports_;
};

}  // namespace coroscope::testkit::detail
