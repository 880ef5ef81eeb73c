// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/asio.hpp>
#include <coroscope/runtime/datagram_endpoint.hpp>
#include <coroscope/runtime/detail/datagram_channel.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>

#include "datagram_state.hpp"
#include "sited.hpp"
#include "socket_address.hpp"
#include "stream_state.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/system/system_error.hpp>

#include <optional>
#include <utility>
#include <vector>

namespace coroscope {

using boost::asio::ip::udp;
using boost::system::error_code;
using boost::system::system_error;

namespace detail {

void datagram_state::throw_failed(const error_code& error, const std::string& doing) const {
    expect_open();
    throw system_error(error, doing);
}

void datagram_state::expect_open() const {
    if (!socket.is_open()) {
        throw invalid_state_error("the datagram endpoint " + local
                                  + " is closed; end those that use it before you close it");
    }
}

udp::endpoint numeric(const datagram_address& a) {
    const std::string host = a.host == "localhost" ? "127.0.0.1" : a.host;
    error_code error;
    const auto address = boost::asio::ip::make_address(host, error);
    if (error) {
        throw system_error(error, "sending a datagram to '" + a.host
                                      + "', which is no numeric address; look it up first");
    }
    return {address, a.port};
}

namespace {

[[nodiscard]] coro<std::vector<udp::endpoint>> addresses_of(const datagram_address* a,
                                                            await_site where) {
    std::vector<udp::endpoint> endpoints;
    if (a == nullptr) { co_return endpoints; }
    if (a->host.empty()) {
        endpoints.emplace_back(udp::v4(), a->port);
        co_return endpoints;
    }
    const auto found = co_await resolve(a->host, a->port, where);
    for (const auto& endpoint : found) {
        endpoints.emplace_back(endpoint.address(), endpoint.port());
    }
    co_return endpoints;
}

[[nodiscard]] std::string name_of(const datagram_address& a) {
    return a.host + " port " + std::to_string(a.port);
}

/// Null and an error where the machine refuses.
[[nodiscard]] std::shared_ptr<datagram_state> open_one(boost::asio::io_context& io,
                                                       const udp::endpoint* here,
                                                       const udp::endpoint* there,
                                                       error_code& error) {
    auto s = std::make_shared<datagram_state>(io);
    s->socket.open(here != nullptr ? here->protocol() : there->protocol(), error);
    if (!error && here != nullptr) { s->socket.bind(*here, error); }
    if (!error && there != nullptr) {
        s->socket.connect(*there, error);
        s->remote = to_text(*there);
    }
    if (!error) { s->socket.non_blocking(true, error); }
    if (error) { return nullptr; }
    s->local = to_text(s->socket.local_endpoint());
    return s;
}

}  // namespace

coro<std::shared_ptr<datagram_state>> open_datagram_socket(const datagram_address* here,
                                                           const datagram_address* there,
                                                           await_site where) {
    auto& io = get_running_loop().io_context();
    auto ours = co_await addresses_of(here, where);
    auto theirs = co_await addresses_of(there, where);
    error_code error = boost::asio::error::host_not_found;
    // One that is not asked for counts as one, so that both loops have a turn.
    const std::size_t first_count = here != nullptr ? ours.size() : 1;
    const std::size_t second_count = there != nullptr ? theirs.size() : 1;
    for (std::size_t i = 0; i < first_count; ++i) {
        for (std::size_t j = 0; j < second_count; ++j) {
            const auto* from = here != nullptr ? &ours[i] : nullptr;
            const auto* to = there != nullptr ? &theirs[j] : nullptr;
            auto s = open_one(io, from, to, error);
            if (s != nullptr) { co_return s; }
        }
    }
    std::string doing;
    if (here != nullptr) { doing = "binding a datagram endpoint to " + name_of(*here); }
    if (here != nullptr && there != nullptr) { doing += ", and "; }
    if (there != nullptr) { doing += "connecting a datagram endpoint to " + name_of(*there); }
    throw system_error(error, doing);
}

}  // namespace detail

namespace {

using state_pointer = std::shared_ptr<detail::datagram_state>;

coro<> send_datagram(state_pointer s, std::string bytes, datagram_address to, await_site where) {
    s->expect_open();
    const auto target = detail::numeric(to);
    try {
        co_await detail::at(where,
                            s->socket.async_send_to(boost::asio::buffer(bytes), target, use_coro));
    } catch (const system_error& e) {
        s->throw_failed(e.code(), "sending a datagram to " + detail::to_text(target));
    }
}

coro<> send_connected(state_pointer s, std::string bytes, await_site where) {
    s->expect_open();
    if (s->remote.empty()) {
        throw invalid_state_error("the datagram endpoint " + s->local
                                  + " is not connected; use send_to, or connect_datagram_endpoint");
    }
    try {
        co_await detail::at(where, s->socket.async_send(boost::asio::buffer(bytes), use_coro));
    } catch (const system_error& e) {
        s->throw_failed(e.code(), "sending a datagram to " + s->remote);
    }
}

/// Waits and reads then, at once: nothing is taken out of the kernel for a task that is cancelled.
coro<datagram> receive_datagram(state_pointer s, await_site where) {
    s->expect_open();
    datagram got;
    udp::endpoint from;
    while (true) {
        error_code error;
        const auto n = s->socket.receive_from(boost::asio::buffer(s->room), from, 0, error);
        if (!error) {
            got.bytes.assign(s->room.data(), n);
            got.from = datagram_address(from.address().to_string(), from.port());
            co_return got;
        }
        if (error != boost::asio::error::would_block) {
            s->throw_failed(error, "receiving datagrams at " + s->local);
        }
        try {
            co_await detail::at(where, s->socket.async_wait(udp::socket::wait_read, use_coro));
        } catch (const system_error& e) {
            s->throw_failed(e.code(), "receiving datagrams at " + s->local);
        }
        s->expect_open();
    }
}

/// The machine's own.
class socket_channel final : public detail::datagram_channel {
public:
    explicit socket_channel(state_pointer state) noexcept : state_(std::move(state)) {}

    [[nodiscard]] coro<> send(std::string bytes, std::optional<datagram_address> to,
                              await_site where) override {
        if (!to.has_value()) { return send_connected(state_, std::move(bytes), where); }
        return send_datagram(state_, std::move(bytes), std::move(*to), where);
    }
    [[nodiscard]] coro<datagram> receive(await_site where) override {
        return receive_datagram(state_, where);
    }
    void close() noexcept override {
        error_code ignored;
        state_->socket.close(ignored);
    }
    [[nodiscard]] bool is_closed() const noexcept override { return !state_->socket.is_open(); }
    [[nodiscard]] std::uint16_t port() const noexcept override {
        error_code error;
        return state_->socket.local_endpoint(error).port();
    }
    [[nodiscard]] const std::string& local() const noexcept override { return state_->local; }

private:
    state_pointer state_;
};

// Told when it is awaited, as all that can go wrong.
coro<> send_moved_from() {
    throw invalid_state_error("a datagram endpoint was used that has been moved from");
    co_return;
}
coro<datagram> receive_moved_from() {
    co_await send_moved_from();
    co_return datagram();
}

}  // namespace

datagram_endpoint::datagram_endpoint(std::shared_ptr<detail::datagram_channel> channel) noexcept
    : channel_(std::move(channel)) {}
datagram_endpoint::datagram_endpoint(datagram_endpoint&& other) noexcept = default;

datagram_endpoint& datagram_endpoint::operator=(datagram_endpoint&& other) noexcept {
    if (this != &other) {
        close();
        channel_ = std::move(other.channel_);
    }
    return *this;
}

datagram_endpoint::~datagram_endpoint() {
    close();
}

coro<> datagram_endpoint::send_to(std::string bytes, datagram_address to, await_site where) {
    if (channel_ == nullptr) { return send_moved_from(); }
    return channel_->send(std::move(bytes), std::move(to), where);
}

coro<> datagram_endpoint::send(std::string bytes, await_site where) {
    if (channel_ == nullptr) { return send_moved_from(); }
    return channel_->send(std::move(bytes), std::nullopt, where);
}

coro<datagram> datagram_endpoint::receive_from(await_site where) {
    if (channel_ == nullptr) { return receive_moved_from(); }
    return channel_->receive(where);
}

void datagram_endpoint::close() noexcept {
    if (channel_ != nullptr) { channel_->close(); }
}

bool datagram_endpoint::is_closed() const noexcept {
    return channel_ == nullptr || channel_->is_closed();
}

std::uint16_t datagram_endpoint::port() const noexcept {
    return channel_ != nullptr ? channel_->port() : std::uint16_t{0};
}

const std::string& datagram_endpoint::local_endpoint() const noexcept {
    static const std::string none;
    return channel_ != nullptr ? channel_->local() : none;
}

coro<datagram_endpoint> open_datagram_endpoint(std::string host, std::uint16_t port,
                                               await_site where) {
    const datagram_address here(std::move(host), port);
    auto state = co_await detail::open_datagram_socket(&here, nullptr, where);
    co_return datagram_endpoint(std::make_shared<socket_channel>(std::move(state)));
}

coro<datagram_endpoint> connect_datagram_endpoint(std::string host, std::uint16_t port,
                                                  await_site where) {
    const datagram_address there(std::move(host), port);
    auto state = co_await detail::open_datagram_socket(nullptr, &there, where);
    co_return datagram_endpoint(std::make_shared<socket_channel>(std::move(state)));
}

}  // namespace coroscope
