// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/asio.hpp>
#include <coroscope/runtime/datagram_endpoint.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>

#include "sited.hpp"
#include "socket_address.hpp"
#include "stream_state.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/system/system_error.hpp>

#include <utility>
#include <vector>

namespace coroscope {

using boost::asio::ip::udp;
using boost::system::error_code;
using boost::system::system_error;

namespace detail {

/// Shared by the endpoint and the coroutines that use it.
class datagram_state {
public:
    explicit datagram_state(boost::asio::io_context& io) : socket(io) {}

    /// What Asio's operation on `socket` failed with, as its user should see it.
    [[noreturn]] void throw_failed(const error_code& error, const std::string& doing) const {
        expect_open();
        throw system_error(error, doing);
    }
    void expect_open() const {
        if (!socket.is_open()) {
            throw invalid_state_error("the datagram endpoint " + local
                                      + " is closed; end those that use it before you close it");
        }
    }

    udp::socket socket;
    std::vector<char> room = std::vector<char>(65'536);  ///< more than fits in any datagram
    std::string local;
    std::string remote;  ///< empty: not connected
};

}  // namespace detail

namespace {

using state_pointer = std::shared_ptr<detail::datagram_state>;

void expect_open(const state_pointer& s) {
    if (!s) { throw invalid_state_error("a datagram endpoint was used that has been moved from"); }
    s->expect_open();
}

[[nodiscard]] udp::endpoint numeric(const datagram_address& a) {
    const std::string host = a.host == "localhost" ? "127.0.0.1" : a.host;
    error_code error;
    const auto address = boost::asio::ip::make_address(host, error);
    if (error) {
        throw system_error(error, "sending a datagram to '" + a.host
                                      + "', which is no numeric address; look it up first");
    }
    return {address, a.port};
}

coro<> send_datagram(state_pointer s, std::string bytes, datagram_address to, await_site where) {
    expect_open(s);
    const auto target = numeric(to);
    try {
        co_await detail::at(where,
                            s->socket.async_send_to(boost::asio::buffer(bytes), target, use_coro));
    } catch (const system_error& e) {
        s->throw_failed(e.code(), "sending a datagram to " + detail::to_text(target));
    }
}

coro<> send_connected(state_pointer s, std::string bytes, await_site where) {
    expect_open(s);
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
    expect_open(s);
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

/// The first address for which `f(socket, endpoint, error)` reports none.
template <class F>
coro<state_pointer> open_first(std::string host, std::uint16_t port, std::string doing, F f,
                               await_site where) {
    auto& loop = get_running_loop();
    std::vector<udp::endpoint> endpoints;
    if (host.empty()) {
        endpoints.emplace_back(udp::v4(), port);
    } else {
        const auto found = co_await detail::resolve(host, port, where);
        for (const auto& endpoint : found) {
            endpoints.emplace_back(endpoint.address(), endpoint.port());
        }
    }
    error_code error = boost::asio::error::host_not_found;
    for (const auto& endpoint : endpoints) {
        auto state = std::make_shared<detail::datagram_state>(loop.io_context());
        state->socket.open(endpoint.protocol(), error);
        if (!error) { f(*state, endpoint, error); }
        if (!error) { state->socket.non_blocking(true, error); }
        if (!error) {
            state->local = detail::to_text(state->socket.local_endpoint());
            co_return state;
        }
    }
    throw system_error(error, doing + " " + host + " port " + std::to_string(port));
}

void bind_to(detail::datagram_state& s, const udp::endpoint& endpoint, error_code& error) {
    s.socket.bind(endpoint, error);
}

void connect_to(detail::datagram_state& s, const udp::endpoint& endpoint, error_code& error) {
    s.socket.connect(endpoint, error);
    s.remote = detail::to_text(endpoint);
}

}  // namespace

datagram_endpoint::datagram_endpoint(state_pointer state) noexcept : state_(std::move(state)) {}
datagram_endpoint::datagram_endpoint(datagram_endpoint&& other) noexcept = default;

datagram_endpoint& datagram_endpoint::operator=(datagram_endpoint&& other) noexcept {
    if (this != &other) {
        close();
        state_ = std::move(other.state_);
    }
    return *this;
}

datagram_endpoint::~datagram_endpoint() {
    close();
}

coro<> datagram_endpoint::send_to(std::string bytes, datagram_address to, await_site where) {
    return send_datagram(state_, std::move(bytes), std::move(to), where);
}

coro<> datagram_endpoint::send(std::string bytes, await_site where) {
    return send_connected(state_, std::move(bytes), where);
}

coro<datagram> datagram_endpoint::receive_from(await_site where) {
    return receive_datagram(state_, where);
}

void datagram_endpoint::close() noexcept {
    error_code ignored;
    if (state_) { state_->socket.close(ignored); }
}

bool datagram_endpoint::is_closed() const noexcept {
    return !state_ || !state_->socket.is_open();
}

std::uint16_t datagram_endpoint::port() const noexcept {
    error_code error;
    return state_ ? state_->socket.local_endpoint(error).port() : std::uint16_t{0};
}

const std::string& datagram_endpoint::local_endpoint() const noexcept {
    static const std::string none;
    return state_ ? state_->local : none;
}

coro<datagram_endpoint> open_datagram_endpoint(std::string host, std::uint16_t port,
                                               await_site where) {
    auto state = co_await open_first(std::move(host), port, "binding a datagram endpoint to",
                                     bind_to, where);
    co_return datagram_endpoint(std::move(state));
}

coro<datagram_endpoint> connect_datagram_endpoint(std::string host, std::uint16_t port,
                                                  await_site where) {
    auto state = co_await open_first(std::move(host), port, "connecting a datagram endpoint to",
                                     connect_to, where);
    co_return datagram_endpoint(std::move(state));
}

}  // namespace coroscope
