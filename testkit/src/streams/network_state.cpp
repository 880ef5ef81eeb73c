// SPDX-License-Identifier: Apache-2.0
#include "network_state.hpp"

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/error.hpp>

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>

#include <utility>

namespace coroscope::testkit::detail {

using boost::system::system_error;

namespace {

constexpr std::uint16_t first_free_port = 49152;
constexpr std::size_t largest_datagram = 65507;
constexpr std::size_t handshake_bytes = 40;

[[nodiscard]] std::string named(const std::string& host, std::uint16_t port) {
    return host + ":" + std::to_string(port);
}

}  // namespace

network_state::network_state(loop& in, const network_options& options, std::uint64_t seed)
    : loop_(in),
      options_(options),
      random_(std::make_shared<std::mt19937_64>(seed)) {}

const std::shared_ptr<network_link>& network_state::link(const std::string& from,
                                                         const std::string& to) {
    auto& found = links_[{from, to}];
    if (found == nullptr) {
        found = std::make_shared<network_link>(loop_.core(), random_, options_.link);
    }
    return found;
}

void network_state::expect_host(const std::string& name, const std::string& doing) const {
    if (!hosts_.contains(name)) { throw system_error(boost::asio::error::host_not_found, doing); }
}

std::uint16_t network_state::free_port(const std::string& host) {
    auto& next = next_ports_.try_emplace(host, first_free_port).first->second;
    const auto port = next++;
    if (next == 0) { next = first_free_port; }
    return port;
}

// --- Streams

server network_state::listen(const std::string& host, std::uint16_t port,
                             connection_handler handler, const server_options& options,
                             await_site where) {
    if (port == 0) { port = free_port(host); }
    if (acceptor_at(host, port) != nullptr) {
        throw system_error(boost::asio::error::address_in_use, "listening on " + named(host, port));
    }
    auto made = std::make_shared<coroscope::detail::simulated_acceptor>();
    auto handle = made->open(loop_, std::move(handler), options, named(host, port), port, where);
    acceptors_[{host, port}] = std::move(made);
    return handle;
}

network_state::acceptor network_state::acceptor_at(const std::string& host,
                                                   std::uint16_t port) const {
    const auto found = acceptors_.find({host, port});
    return found != acceptors_.end() && found->second->is_open() ? found->second : nullptr;
}

coro<stream> network_state::connect(std::shared_ptr<network_state> network, std::string from,
                                    std::string to, std::uint16_t port, stream_options options) {
    const auto doing = "connecting to " + named(to, port);
    network->expect_host(to, doing);
    const auto limit = network->options_.connect_timeout;
    try {
        co_return co_await wait_for(shake_hands(network, from, to, port, options), limit);
    } catch (const timeout_error&) {}
    throw system_error(boost::asio::error::timed_out, doing);
}

coro<stream> network_state::shake_hands(std::shared_ptr<network_state> network, std::string from,
                                        std::string to, std::uint16_t port,
                                        stream_options options) {
    const auto there = network->link(from, to);
    const auto back = network->link(to, from);
    co_await network_link::pass(there, handshake_bytes);
    if (network->acceptor_at(to, port) == nullptr) {
        co_await network_link::pass(back, handshake_bytes);
        throw system_error(boost::asio::error::connection_refused,
                           "connecting to " + named(to, port));
    }
    auto connected = network->join(from, to, port, options);
    co_await network_link::pass(back, handshake_bytes);
    co_return connected;
}

stream network_state::join(const std::string& from, const std::string& to, std::uint16_t port,
                           const stream_options& options) {
    const auto make_lane = [this](const std::shared_ptr<network_link>& by) {
        auto lane = std::make_shared<network_lane>(by, options_.window, options_.segment);
        by->add(lane);
        return lane;
    };
    const auto client = named(from, free_port(from));
    const auto served = named(to, port);
    const auto there = make_lane(link(from, to));
    const auto back = make_lane(link(to, from));
    auto ours = coroscope::detail::make_simulated_stream(
        std::make_shared<memory_end>(loop_, back, there), options, served, client);
    acceptor_at(to, port)->accept(std::make_shared<memory_end>(loop_, there, back), client, served);
    return ours;
}

// --- Datagrams

std::shared_ptr<datagram_box> network_state::bind(const std::shared_ptr<network_state>& network,
                                                  const std::string& host, std::uint16_t port,
                                                  const std::optional<datagram_address>& peer) {
    if (port == 0) { port = network->free_port(host); }
    if (network->box_at({host, port}) != nullptr) {
        throw system_error(boost::asio::error::address_in_use, "binding to " + named(host, port));
    }
    auto box = std::make_shared<datagram_box>(network, datagram_address(host, port), peer);
    network->boxes_[{host, port}] = box;
    return box;
}

std::shared_ptr<datagram_box> network_state::box_at(const datagram_address& at) const {
    const auto found = boxes_.find({at.host, at.port});
    auto box = found != boxes_.end() ? found->second.lock() : nullptr;
    return box != nullptr && !box->is_closed() ? box : nullptr;
}

datagram_box::datagram_box(std::shared_ptr<network_state> network, datagram_address address,
                           std::optional<datagram_address> peer)
    : network_(std::move(network)),
      address_(std::move(address)),
      peer_(std::move(peer)),
      local_(named(address_.host, address_.port)) {}

coro<> datagram_box::send(std::string bytes, std::optional<datagram_address> to, await_site) {
    return send_from(self(), std::move(bytes), std::move(to));
}

coro<> datagram_box::send_from(pointer from, std::string bytes,
                               std::optional<datagram_address> to) {
    from->send_now(std::move(bytes), to);
    co_return;
}

void datagram_box::send_now(std::string bytes, const std::optional<datagram_address>& to) {
    if (is_closed_) { throw invalid_state_error("send_to from " + local_ + " after its close()"); }
    if (!to.has_value() && !peer_.has_value()) {
        throw invalid_state_error("the datagram endpoint " + local_
                                  + " is not connected; use send_to, or connect_datagram_endpoint");
    }
    const auto& target = to.has_value() ? *to : *peer_;
    if (bytes.size() > largest_datagram) {
        throw system_error(boost::asio::error::message_size,
                           "sending to " + named(target.host, target.port));
    }
    auto& by = *network_->link(address_.host, target.host);
    const auto arrives = by.arrival_of(bytes.size());
    if (by.loses() || by.is_cut()) { return; }
    datagram sent;
    sent.bytes = std::move(bytes);
    sent.from = address_;
    network_->in().call_at(arrives, [network = network_, target, sent] {
        const bool is_cut = network->link(sent.from.host, target.host)->is_cut();
        if (const auto box = network->box_at(target); box != nullptr && !is_cut) { box->put(sent); }
    });
}

void datagram_box::put(datagram one) {
    if (peer_.has_value() && one.from != *peer_) { return; }
    arrived_.push_back(std::move(one));
    wake_one();
}

void datagram_box::wake_one() noexcept {
    while (!receivers_.empty()) {
        auto first = std::move(receivers_.front());
        receivers_.pop_front();
        if (first.done()) { continue; }  // cancelled
        first.set_result();
        return;
    }
}

coro<datagram> datagram_box::receive(await_site) {
    return take(self());
}

coro<datagram> datagram_box::take(pointer from) {
    while (from->arrived_.empty()) {
        if (from->is_closed_) {
            throw invalid_state_error("receive_from on " + from->local_ + ", which is closed");
        }
        auto woken = from->network_->in().create_future<>();
        from->receivers_.push_back(woken);
        try {
            co_await woken;
        } catch (...) {
            if (!from->arrived_.empty()) { from->wake_one(); }  // it was meant for somebody
            throw;
        }
    }
    auto first = std::move(from->arrived_.front());
    from->arrived_.pop_front();
    co_return first;
}

void datagram_box::close() noexcept {
    is_closed_ = true;
    while (!receivers_.empty()) {
        wake_one();
    }
}

}  // namespace coroscope::testkit::detail
