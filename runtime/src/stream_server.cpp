// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/stream.hpp>

#include <coroscope/runtime/asio.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "sited.hpp"
#include "stream_state.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>

#include <optional>
#include <unordered_map>
#include <utility>

namespace coroscope {

using boost::asio::ip::tcp;
using boost::system::error_code;

namespace detail {

/// What a server, its accepting tasks and its connections share.
class server_state {
public:
    server_state(loop& owner, connection_handler f, const server_options& o, await_site where)
        : in(owner),
          handler(std::move(f)),
          options(o),
          created_at(where) {}

    loop& in;
    connection_handler handler;
    server_options options;
    await_site created_at;
    std::vector<tcp::acceptor> acceptors;
    std::uint16_t port = 0;
    bool closed = false;
    std::size_t accepting = 0;  ///< tasks that accept
    std::unordered_map<std::uint64_t, any_task> connections;
    waiting_tasks ended;

    void close() noexcept;
    void release_if_ended() noexcept;
};

void server_state::close() noexcept {
    if (std::exchange(closed, true)) { return; }
    for (auto& acceptor : acceptors) {
        error_code ignored;
        acceptor.close(ignored);
    }
    release_if_ended();
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

void start_connection(const state_pointer& s, tcp::socket socket) {
    auto state = std::make_shared<stream_state>(s->in.core(), std::move(socket), s->options.stream);
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

void tell(const server_state& s, std::string problem, std::exception_ptr exception) {
    exception_context context;
    context.message = "the server on port " + std::to_string(s.port) + ' ' + std::move(problem);
    context.exception = std::move(exception);
    context.created_at = s.created_at;
    s.in.call_exception_handler(context);
}

/// Accepts one connection; false if it could not.
coro<bool> accept_one(state_pointer s, std::size_t index) {
    tcp::socket socket(s->in.io_context());
    try {
        co_await at(s->created_at, s->acceptors[index].async_accept(socket, use_coro));
    } catch (const boost::system::system_error&) {
        if (!s->closed) {
            tell(*s, "accepts no connections for a moment", std::current_exception());
        }
        co_return false;
    }
    try {
        start_connection(s, std::move(socket));
    } catch (...) { tell(*s, "dropped a connection", std::current_exception()); }
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

[[nodiscard]] tcp::acceptor listen_on(loop& in, const tcp::endpoint& endpoint, bool dual,
                                      int backlog) {
    tcp::acceptor acceptor(in.io_context());
    acceptor.open(endpoint.protocol());
    acceptor.set_option(tcp::acceptor::reuse_address(true));
    if (endpoint.address().is_v6()) { acceptor.set_option(boost::asio::ip::v6_only(!dual)); }
    acceptor.bind(endpoint);
    acceptor.listen(backlog > 0 ? backlog : boost::asio::socket_base::max_listen_connections);
    return acceptor;
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
        s.port = s.acceptors.back().local_endpoint().port();
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
    auto state = std::make_shared<detail::server_state>(loop, std::move(handler), options, where);
    const bool everywhere = host.empty();
    std::vector<tcp::endpoint> endpoints;
    if (everywhere) {
        endpoints = {tcp::endpoint(tcp::v6(), port), tcp::endpoint(tcp::v4(), port)};
    } else {
        endpoints = co_await detail::resolve(std::move(host), port, where);
    }
    detail::listen_on_all(*state, endpoints, everywhere);
    for (std::size_t i = 0; i < state->acceptors.size(); ++i) {
        const auto name = "server " + detail::to_text(state->acceptors[i].local_endpoint());
        loop.create_task(detail::accept_all(state, i), name, where);
    }
    co_return server(std::move(state));
}

}  // namespace coroscope
