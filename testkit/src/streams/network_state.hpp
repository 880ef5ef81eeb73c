// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "network_link.hpp"

#include <coroscope/runtime/detail/datagram_channel.hpp>
#include <coroscope/runtime/future.hpp>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>

namespace coroscope::testkit::detail {

/// A port for datagrams, and those that have arrived there.
class datagram_box final : public coroscope::detail::datagram_channel {
public:
    /// `peer`: to whom it is connected, and from whom alone it takes anything.
    datagram_box(std::shared_ptr<network_state> network, datagram_address address,
                 std::optional<datagram_address> peer);

    [[nodiscard]] coro<> send(std::string bytes, std::optional<datagram_address> to,
                              await_site where) override;
    [[nodiscard]] coro<datagram> receive(await_site where) override;
    void close() noexcept override;
    [[nodiscard]] bool is_closed() const noexcept override { return is_closed_; }
    [[nodiscard]] std::uint16_t port() const noexcept override { return address_.port; }
    [[nodiscard]] const std::string& local() const noexcept override { return local_; }
    void put(datagram one);

private:
    using pointer = std::shared_ptr<datagram_box>;

    [[nodiscard]] pointer self() {
        return std::static_pointer_cast<datagram_box>(shared_from_this());
    }
    void send_now(std::string bytes, const std::optional<datagram_address>& to);
    [[nodiscard]] static coro<> send_from(pointer from, std::string bytes,
                                          std::optional<datagram_address> to);
    [[nodiscard]] static coro<datagram> take(pointer from);
    /// One of those who receive.
    void wake_one() noexcept;

    std::shared_ptr<network_state> network_;
    const datagram_address address_;
    const std::optional<datagram_address> peer_;
    const std::string local_;
    std::deque<datagram> arrived_;
    std::deque<future<>> receivers_;
    bool is_closed_ = false;
};

/// What the handles of a network share.
class network_state {
public:
    network_state(loop& in, const network_options& options, std::uint64_t seed);

    void add_host(const std::string& name) { hosts_.insert(name); }
    /// Throws `host_not_found`, with `doing` as what failed.
    void expect_host(const std::string& name, const std::string& doing) const;
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
        const std::shared_ptr<network_state>& network, const std::string& host, std::uint16_t port,
        const std::optional<datagram_address>& peer);
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
