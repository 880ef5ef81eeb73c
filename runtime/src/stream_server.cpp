// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/stream.hpp>

#include <coroscope/runtime/asio.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "server_state.hpp"
#include "sited.hpp"
#include "stream_state.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>

#include <cstring>
#include <optional>
#include <utility>

#include <arpa/inet.h>
#include <sys/stat.h>
#include <unistd.h>

namespace coroscope {

using boost::asio::ip::tcp;
using boost::system::error_code;

namespace detail {

void server_state::close() noexcept {
    if (std::exchange(closed, true)) { return; }
    for (auto& acceptor : acceptors) {
        error_code ignored;
        acceptor.close(ignored);
    }
    names.clear();
    remove_socket();
    release_if_ended();
}

void server_state::remove_socket() const noexcept {
    struct stat found = {};
    if (in.core().is_copy) { return; }  // the other process listens on
    if (!path.empty() && ::lstat(path.c_str(), &found) == 0 && found.st_ino == inode
        && S_ISSOCK(found.st_mode)) {
        ::unlink(path.c_str());
    }
}

void server_state::release_if_ended() noexcept {
    if (closed && accepting == 0 && connections.empty()) { ended.release(); }
}

namespace {

using state_pointer = std::shared_ptr<server_state>;

/// Holds the state, and with it the handler, whose captures the coroutine may use to its end.
coro<> serve(state_pointer s, stream connection) {
    co_await s->handler(std::move(connection));
}

void start_connection(const state_pointer& s, std::shared_ptr<stream_state> state) {
    const auto name = "connection " + state->remote;
    any_task task = s->in.create_task(serve(s, stream(std::move(state))), name, s->created_at);
    const auto id = task.id();
    s->connections.emplace(id, task);
    auto forget = [s, id](const any_task&) {
        s->connections.erase(id);
        s->release_if_ended();
    };
    task.add_done_callback(std::move(forget), s->created_at);
}

void tell(const server_state& s, int socket, std::string problem, std::exception_ptr exception) {
    exception_context context;
    context.message = "the server on " + s.name + ' ' + std::move(problem);
    context.exception = std::move(exception);
    context.socket = socket;
    context.created_at = s.created_at;
    s.in.call_exception_handler(context);
}

/// Accepts one connection; false if it could not.
coro<bool> accept_one(state_pointer s, std::size_t index) {
    stream_state::socket_type socket(s->in.io_context());
    try {
        co_await at(s->created_at, s->acceptors[index].async_accept(socket, use_coro));
    } catch (const boost::system::system_error&) {
        if (!s->closed) {
            tell(*s, s->acceptors[index].native_handle(), "accepts no connections for a moment",
                 std::current_exception());
        }
        co_return false;
    }
    // Accepted in the moment of closing: dropped, like those that nobody has accepted yet.
    if (s->closed) { co_return false; }
    try {
        start_connection(
            s, std::make_shared<stream_state>(s->in.core(), std::move(socket), s->options.stream));
    } catch (...) {
        tell(*s, s->acceptors[index].native_handle(), "dropped a connection",
             std::current_exception());
    }
    co_return true;
}

coro<> accept_all(state_pointer s, std::size_t index) {
    struct turn {
        server_state& state;
        explicit turn(server_state& target) : state(target) { ++state.accepting; }
        turn(const turn&) = delete;
        turn& operator=(const turn&) = delete;
        ~turn() {
            --state.accepting;
            state.release_if_ended();
        }
    };
    const turn counted(*s);
    while (!s->closed) {
        const bool accepted = co_await accept_one(s, index);
        // No descriptor or no memory is left, as a rule: trying again at once would only spin.
        if (!accepted && !s->closed) {
            co_await at(s->created_at, sleep_for(s->options.accept_pause));
        }
    }
}

[[nodiscard]] server_state::acceptor_type listen_on(loop& in, const tcp::endpoint& endpoint,
                                                    bool dual, int backlog) {
    server_state::acceptor_type acceptor(in.io_context());
    acceptor.open(endpoint.protocol());
    acceptor.set_option(boost::asio::socket_base::reuse_address(true));
    if (endpoint.address().is_v6()) { acceptor.set_option(boost::asio::ip::v6_only(!dual)); }
    acceptor.bind(endpoint);
    acceptor.listen(backlog > 0 ? backlog : boost::asio::socket_base::max_listen_connections);
    return acceptor;
}

[[nodiscard]] std::uint16_t port_of(const server_state::acceptor_type& acceptor) {
    const auto endpoint = acceptor.local_endpoint();
    std::uint16_t port = 0;  // in the same place for IPv4 and IPv6
    std::memcpy(&port, static_cast<const char*>(static_cast<const void*>(endpoint.data())) + 2, 2);
    return ntohs(port);
}

/// The machine has no such address, or no such kind of address.
[[nodiscard]] bool is_absent(const error_code& error) {
    return error == boost::system::errc::address_family_not_supported
           || error == boost::system::errc::address_not_available;
}

void listen_on_all(server_state& s, const std::vector<tcp::endpoint>& endpoints, bool dual) {
    std::optional<boost::system::system_error> absent;
    for (auto endpoint : endpoints) {
        if (endpoint.port() == 0) { endpoint.port(s.port); }
        try {
            s.acceptors.push_back(listen_on(s.in, endpoint, dual, s.options.backlog));
        } catch (const boost::system::system_error& e) {
            const boost::system::system_error named(e.code(), "listening on " + to_text(endpoint));
            if (!is_absent(e.code())) { throw named; }
            absent = named;
            continue;
        }
        s.port = port_of(s.acceptors.back());
        if (dual) { break; }
    }
    if (s.acceptors.empty() && absent) { throw *absent; }
}

coro<> wait_until_ended(state_pointer s, await_site where) {
    if (!s->closed || s->accepting > 0 || !s->connections.empty()) {
        auto ended = s->ended.add(s->in.core(), wait_kind::future, where);
        co_await at(where, std::move(ended));
    }
}

}  // namespace

void start_accepting(const std::shared_ptr<server_state>& s) {
    for (const auto& acceptor : s->acceptors) {
        s->names.push_back(to_text(acceptor.local_endpoint()));
    }
    s->name = s->names.empty() ? "(no address)" : s->names.front();
    for (std::size_t i = 0; i < s->acceptors.size(); ++i) {
        s->in.create_task(accept_all(s, i), "server " + s->names[i], s->created_at);
    }
}

server simulated_acceptor::open(loop& in, connection_handler handler, const server_options& options,
                                std::string name, std::uint16_t port, await_site where) {
    stream_state::check(options.stream);
    auto state = std::make_shared<server_state>(in, std::move(handler), options, where);
    state->names = {name};
    state->name = std::move(name);
    state->port = port;
    state_ = state;
    return server(std::move(state));
}

bool simulated_acceptor::is_open() const noexcept {
    const auto state = state_.lock();
    return state != nullptr && !state->closed;
}

void simulated_acceptor::accept(std::shared_ptr<simulated_channel> channel, std::string remote,
                                std::string local) {
    const auto state = state_.lock();
    start_connection(state,
                     std::make_shared<stream_state>(std::move(channel), state->options.stream,
                                                    std::move(remote), std::move(local)));
}

}  // namespace detail

server::server(std::shared_ptr<detail::server_state> state) noexcept : state_(std::move(state)) {}
server::server(server&& other) noexcept = default;

server& server::operator=(server&& other) noexcept {
    if (this != &other) {
        if (state_) { state_->close(); }
        state_ = std::move(other.state_);
    }
    return *this;
}

server::~server() {
    if (state_) { state_->close(); }
}

std::uint16_t server::port() const noexcept {
    return state_->port;
}

std::vector<std::string> server::endpoints() const {
    return state_->names;
}

std::size_t server::connections() const noexcept {
    return state_->connections.size();
}

void server::close() noexcept {
    state_->close();
}

void server::cancel_connections() {
    for (auto& [id, task] : state_->connections) {
        task.cancel();
    }
}

coro<> server::wait_closed(await_site where) {
    return detail::wait_until_ended(state_, where);
}

coro<server> start_server(connection_handler handler, std::string host, std::uint16_t port,
                          server_options options, await_site where) {
    auto& loop = get_running_loop();
    detail::stream_state::check(options.stream);
    auto state = std::make_shared<detail::server_state>(loop, std::move(handler), options, where);
    const bool everywhere = host.empty();
    std::vector<tcp::endpoint> endpoints;
    if (everywhere) {
        endpoints = {tcp::endpoint(tcp::v6(), port), tcp::endpoint(tcp::v4(), port)};
    } else {
        endpoints = co_await detail::resolve(std::move(host), port, where);
    }
    detail::listen_on_all(*state, endpoints, everywhere);
    detail::start_accepting(state);
    co_return server(std::move(state));
}

}  // namespace coroscope
