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

void expect_own(const std::string& host, const std::string& name, const char* doing) {
    if (host.empty() || host == name) { return; }
    throw boost::system::system_error(make_error_code(boost::system::errc::address_not_available),
                                      doing + host + ", where the host is " + name);
}

coro<server> listen(std::shared_ptr<detail::network_state> network, std::string name,
                    std::string host, std::uint16_t port, connection_handler handler,
                    server_options options, await_site where) {
    expect_own(host, name, "listening on ");
    co_return network->listen(name, port, std::move(handler), options, where);
}

}  // namespace

coro<server> network_host::start_server(connection_handler handler, std::string host,
                                        std::uint16_t port, server_options options,
                                        await_site where) const {
    return listen(network_, name_, std::move(host), port, std::move(handler), options, where);
}

// --- Datagrams

namespace {

using network_pointer = std::shared_ptr<detail::network_state>;

coro<datagram_endpoint> open_datagrams(network_pointer network, std::string name, std::string host,
                                       std::uint16_t port) {
    expect_own(host, name, "binding a datagram endpoint to ");
    co_return datagram_endpoint(network->bind(network, name, port, {}));
}

coro<datagram_endpoint> connect_datagrams(network_pointer network, std::string name,
                                          datagram_address there) {
    network->expect_host(there.host, "connecting a datagram endpoint to " + there.host + " port "
                                         + std::to_string(there.port));
    co_return datagram_endpoint(network->bind(network, name, 0, there));
}

}  // namespace

coro<datagram_endpoint> network_host::open_datagram_endpoint(std::string host, std::uint16_t port,
                                                             await_site) const {
    return open_datagrams(network_, name_, std::move(host), port);
}

coro<datagram_endpoint> network_host::connect_datagram_endpoint(std::string host,
                                                                std::uint16_t port,
                                                                await_site) const {
    return connect_datagrams(network_, name_, datagram_address(std::move(host), port));
}

}  // namespace coroscope::testkit
