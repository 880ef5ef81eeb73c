// SPDX-License-Identifier: Apache-2.0
#include <coroscope/testkit/network.hpp>

#include "network_state.hpp"
#include "test_environment.hpp"

#include <boost/system/system_error.hpp>

#include <stdexcept>
#include <utility>

// The handles; what they lead to is in network_state.cpp.

namespace coroscope::testkit {
namespace {

void check(const link_options& link) {
    if (link.loss < 0 || link.loss >= 1) {
        throw std::invalid_argument("link_options::loss is " + std::to_string(link.loss)
                                    + "; it must be at least 0 and less than 1");
    }
    const auto zero = duration::zero();
    if (link.latency < zero || link.jitter < zero || link.retransmission < zero) {
        throw std::invalid_argument("link_options has a negative length of time");
    }
}

[[nodiscard]] std::uint64_t seed_for(const network_options& options) {
    if (options.seed.has_value()) { return *options.seed; }
    const auto* current = detail::test_environment::current();
    return current != nullptr ? current->seed() : 0;
}

}  // namespace

network::network(const network_options& options) {
    check(options.link);
    if (options.window == 0 || options.segment == 0) {
        throw std::invalid_argument("network_options::window and segment must be at least 1");
    }
    state_ =
        std::make_shared<detail::network_state>(get_running_loop(), options, seed_for(options));
}

network_host network::host(std::string name) {
    state_->add_host(name);
    return {state_, std::move(name)};
}

void network::set_link(const std::string& a, const std::string& b, const link_options& options) {
    check(options);
    state_->link(a, b)->set(options);
    state_->link(b, a)->set(options);
}

void network::partition(const std::string& a, const std::string& b) {
    state_->link(a, b)->cut();
    state_->link(b, a)->cut();
}

void network::heal(const std::string& a, const std::string& b) {
    state_->link(a, b)->heal();
    state_->link(b, a)->heal();
}

void network::reset(const std::string& a, const std::string& b) {
    state_->link(a, b)->reset_streams();
    state_->link(b, a)->reset_streams();
}

// --- Hosts

coro<stream> network_host::open_connection(std::string host, std::uint16_t port,
                                           stream_options options, await_site) const {
    return detail::network_state::connect(network_, name_, std::move(host), port, options);
}

namespace {

coro<server> listen(std::shared_ptr<detail::network_state> network, std::string name,
                    std::string host, std::uint16_t port, connection_handler handler,
                    server_options options, await_site where) {
    if (!host.empty() && host != name) {
        throw boost::system::system_error(
            make_error_code(boost::system::errc::address_not_available),
            "listening on " + host + ", where the host is " + name);
    }
    co_return network->listen(name, port, std::move(handler), options, where);
}

}  // namespace

coro<server> network_host::start_server(connection_handler handler, std::string host,
                                        std::uint16_t port, server_options options,
                                        await_site where) const {
    return listen(network_, name_, std::move(host), port, std::move(handler), options, where);
}

simulated_datagrams network_host::open_datagrams(std::uint16_t port) const {
    return simulated_datagrams(network_->bind(network_, name_, port));
}

// --- Datagrams

simulated_datagrams::simulated_datagrams(std::shared_ptr<detail::datagram_box> box) noexcept
    : box_(std::move(box)) {}

simulated_datagrams::~simulated_datagrams() {
    if (box_ != nullptr) { box_->close(); }
}

namespace {

coro<> send(std::shared_ptr<detail::datagram_box> from, std::string bytes, datagram_address to) {
    from->send(std::move(bytes), to);
    co_return;
}

}  // namespace

coro<> simulated_datagrams::send_to(std::string bytes, datagram_address to, await_site) {
    return send(box_, std::move(bytes), std::move(to));
}

coro<datagram> simulated_datagrams::receive_from(await_site) {
    return detail::datagram_box::take(box_);
}

void simulated_datagrams::close() noexcept {
    box_->close();
}

std::uint16_t simulated_datagrams::port() const noexcept {
    return box_->address.port;
}

}  // namespace coroscope::testkit
