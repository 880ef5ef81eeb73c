// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/tls.hpp>

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>

#include "stream_state.hpp"
#include "tls_access.hpp"
#include "tls_filter.hpp"

#include <boost/asio/ssl/error.hpp>
#include <boost/system/system_error.hpp>

#include <utility>

namespace coroscope {
namespace {

using state_pointer = std::shared_ptr<detail::stream_state>;

[[nodiscard]] detail::tls_filter* filter_of(const detail::stream_state& s) noexcept {
    return dynamic_cast<detail::tls_filter*>(s.filter());
}

[[noreturn]] void throw_failed_handshake(const detail::stream_state& s,
                                         const boost::system::error_code& error) {
    auto message = "the TLS handshake with " + s.remote;
    const auto problem = filter_of(s)->certificate_problem();
    if (!problem.empty()) { message += ": " + problem; }
    throw boost::system::system_error(error, message);
}

coro<> shake_hands(state_pointer s, await_site where) {
    auto& filter = *filter_of(*s);
    while (true) {
        boost::system::error_code error;
        const bool is_done = filter.advance_handshake(error);
        s->send_output();  // what went wrong, too
        if (is_done) { co_return; }
        if (!error) { error = co_await s->receive(where); }
        if (error) { throw_failed_handshake(*s, error); }
        s->throw_if_failed();
    }
}

/// Cuts the connection unless the handshake is done: nothing can be said on it any more.
class handshake_guard {
public:
    explicit handshake_guard(detail::stream_state& s) : state_(s) { state_.has_reader = true; }
    handshake_guard(const handshake_guard&) = delete;
    handshake_guard& operator=(const handshake_guard&) = delete;
    ~handshake_guard() {
        state_.has_reader = false;
        if (!is_done) { state_.abort(); }
    }
    bool is_done = false;

private:
    detail::stream_state& state_;
};

void expect_plain(const detail::stream_state& s) {
    const char* problem = nullptr;
    if (s.filter() != nullptr) { problem = " speaks TLS already"; }
    if (s.where_in_life != detail::stream_state::phase::open) { problem = " is closed"; }
    if (s.has_reader) { problem = " is being read; let the reader end first"; }
    if (problem != nullptr) {
        throw invalid_state_error("start_tls: the stream to " + s.remote + problem);
    }
}

coro<> serve_over_tls(connection_handler handler, tls_context context, tls_options options,
                      stream plain) {
    stream s;
    try {
        s = co_await start_tls(std::move(plain), tls_role::server, std::move(context),
                               std::move(options));
    } catch (const std::runtime_error&) {
        // As good as everything that is not a TLS client ends here: no news in production.
        auto& loop = get_running_loop();
        if (!loop.debug()) { co_return; }
        exception_context problem;
        problem.message = "a connection ended in its TLS handshake";
        problem.exception = std::current_exception();
        loop.call_exception_handler(problem);
        co_return;
    }
    co_await handler(std::move(s));
}

}  // namespace

namespace detail {

coro<> secure(state_pointer state, tls_role role, tls_context context, tls_options options,
              await_site where) {
    expect_plain(*state);
    handshake_guard guard(*state);
    auto filter = std::make_unique<tls_filter>(tls_access::keep(context),
                                               *context.native().native_handle(), role, options);
    state->set_filter(std::move(filter));
    bool is_late = false;
    try {
        co_await wait_for(shake_hands(state, where), options.handshake_timeout);
    } catch (const timeout_error&) { is_late = true; }
    if (is_late) {
        throw timeout_error("the TLS handshake with " + state->remote + " did not finish within "
                            + std::to_string(options.handshake_timeout.count() / 1'000'000)
                            + " ms; see tls_options::handshake_timeout");
    }
    guard.is_done = true;
}

}  // namespace detail

coro<stream> start_tls(stream s, tls_role role, tls_context context, tls_options options,
                       await_site where) {
    co_await detail::secure(detail::stream_access::state(s), role, std::move(context),
                            std::move(options), where);
    co_return s;
}

coro<stream> open_tls_connection(std::string host, std::uint16_t port, tls_context context,
                                 tls_options options, await_site where) {
    if (options.server_name.empty()) { options.server_name = host; }
    auto plain = co_await open_connection(std::move(host), port, options.stream, where);
    co_return co_await start_tls(std::move(plain), tls_role::client, std::move(context),
                                 std::move(options), where);
}

connection_handler with_tls(connection_handler handler, tls_context context, tls_options options) {
    return [handler = std::move(handler), context = std::move(context),
            options = std::move(options)](stream s) {
        return serve_over_tls(handler, context, options, std::move(s));
    };
}

std::optional<tls_facts> facts_of(const stream& s) {
    const auto* filter = filter_of(*detail::stream_access::state(s));
    if (filter == nullptr) { return std::nullopt; }
    return filter->facts();
}

}  // namespace coroscope
