// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/connection.hpp>
#include <coroscope/runtime/tls.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace coroscope {

namespace detail {
[[nodiscard]] coro<untyped_connection> create_tls_connection(protocol_factory factory,
                                                             std::string host, std::uint16_t port,
                                                             tls_context context,
                                                             tls_options options, await_site where);
}  // namespace detail

/// `create_connection` with TLS: connects and shakes hands as `open_tls_connection` does, then
/// makes the protocol, so that `connection_made` comes once the connection is safe. Limits and
/// sizes of the transport count encrypted bytes; a connection that is cut is lost with
/// `boost::asio::ssl::error::stream_truncated`.
template <detail::makes_protocols Factory>
[[nodiscard]] coro<connection<detail::made_by<Factory>>> create_tls_connection(
    const Factory& factory, std::string host, std::uint16_t port, tls_context context,
    tls_options options = tls_options(), await_site where = await_site::current()) {
    return detail::typed<detail::made_by<Factory>>(detail::create_tls_connection(
        factory, std::move(host), port, std::move(context), std::move(options), where));
}

/// `create_server` with TLS. A client whose handshake fails never gets a protocol, see `with_tls`.
template <detail::makes_protocols Factory>
[[nodiscard]] coro<server> create_tls_server(const Factory& factory, std::string host,
                                             std::uint16_t port, tls_context context,
                                             tls_options options = tls_options(),
                                             server_options listening = {},
                                             await_site where = await_site::current()) {
    auto handler =
        with_tls(detail::with_protocol(factory, where), std::move(context), std::move(options));
    return start_server(std::move(handler), std::move(host), port, listening, where);
}

/// Speaks TLS from here on, over a transport of whatever kind that does not yet: completes when the
/// handshake is done. The transport and its protocol stay the same; what the protocol gets
/// afterwards has been decrypted. Meanwhile nothing is called but `resume_writing`, and `write` and
/// `write_eof` throw `invalid_state_error`.
///
///     transport_->write("STARTTLS\r\n");  // answered: then, in a task
///     co_await coroscope::start_tls(transport_, coroscope::tls_role::client, trusting, options);
///
/// **Cancellation** and **errors** as of `start_tls` for a stream; the connection is lost then,
/// with null. A task that is cancelled before its first step has not begun: the transport stays as
/// it is. Throws `std::invalid_argument` for a transport that is not this library's.
[[nodiscard]] coro<> start_tls(std::shared_ptr<transport> over, tls_role role, tls_context context,
                               tls_options options = tls_options(),
                               await_site where = await_site::current());

/// Nothing for a transport that does not speak TLS, or has ended.
[[nodiscard]] std::optional<tls_facts> facts_of(const transport& t);

}  // namespace coroscope
