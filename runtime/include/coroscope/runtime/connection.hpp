// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/descriptors.hpp>
#include <coroscope/runtime/protocol.hpp>
#include <coroscope/runtime/stream.hpp>
#include <coroscope/runtime/transport.hpp>

#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

namespace coroscope {

/// A transport and the protocol that was made for it, as the protocol's own type.
template <class Protocol>
struct connection {
    // No aggregate: g++ 12 destroys those twice beside a co_await.
    connection(std::shared_ptr<coroscope::transport> t, std::shared_ptr<Protocol> p) noexcept
        : transport(std::move(t)),
          protocol(std::move(p)) {}
    std::shared_ptr<coroscope::transport> transport;
    std::shared_ptr<Protocol> protocol;
};

/// A factory of protocols that need nothing: `make_protocol<echo>`.
template <class Protocol>
[[nodiscard]] std::shared_ptr<Protocol> make_protocol() {
    return std::make_shared<Protocol>();
}

namespace detail {

using protocol_factory = std::function<std::shared_ptr<streaming_protocol>()>;
using untyped_connection = connection<streaming_protocol>;

template <class Factory>
using made_by = typename std::invoke_result_t<Factory&>::element_type;

/// A callable that returns a `std::shared_ptr` to a new protocol.
template <class Factory>
concept makes_protocols = requires(Factory& f) {
    { f() } -> std::convertible_to<std::shared_ptr<streaming_protocol>>;
    typename made_by<Factory>;
};

[[nodiscard]] coro<untyped_connection> connect_stream(protocol_factory factory, stream s,
                                                      await_site where);
[[nodiscard]] coro<untyped_connection> create_connection(protocol_factory factory, std::string host,
                                                         std::uint16_t port, stream_options options,
                                                         await_site where);
[[nodiscard]] coro<untyped_connection> create_unix_connection(protocol_factory factory,
                                                              std::string path,
                                                              stream_options options,
                                                              await_site where);
[[nodiscard]] coro<untyped_connection> connect_accepted_socket(protocol_factory factory,
                                                               file_descriptor socket,
                                                               stream_options options,
                                                               await_site where);
[[nodiscard]] coro<untyped_connection> connect_read_pipe(protocol_factory factory,
                                                         file_descriptor end, await_site where);
[[nodiscard]] coro<untyped_connection> connect_write_pipe(protocol_factory factory,
                                                          file_descriptor end, await_site where);
[[nodiscard]] connection_handler with_protocol(protocol_factory factory, await_site where);

/// The same connection with the type that the factory makes.
template <class Protocol>
[[nodiscard]] coro<connection<Protocol>> typed(coro<untyped_connection> connecting) {
    auto made = co_await std::move(connecting);
    co_return connection<Protocol>(std::move(made.transport),
                                   std::static_pointer_cast<Protocol>(std::move(made.protocol)));
}

}  // namespace detail

// A factory is a callable that returns a `std::shared_ptr` to a new protocol; it is called once per
// connection. What it throws closes the connection, and goes to who connects, of a server to the
// loop's exception handler. Name a lambda that captures before you pass it (g++ 12 destroys
// temporaries beside a co_await twice).
//
// All of these belong to the running loop. They complete once `connection_made` has returned, and
// before anything is read.

/// Connects as `open_connection` does; then makes the protocol and its transport.
///
///     auto made = co_await coroscope::create_connection(coroscope::make_protocol<greeter>, host,
///     7); co_await made.protocol->until_greeted();
///
/// Cancelling it closes the connection. Throws as `open_connection` does.
template <detail::makes_protocols Factory>
[[nodiscard]] coro<connection<detail::made_by<Factory>>> create_connection(
    const Factory& factory, std::string host, std::uint16_t port, stream_options options = {},
    await_site where = await_site::current()) {
    return detail::typed<detail::made_by<Factory>>(
        detail::create_connection(factory, std::move(host), port, options, where));
}

/// The same for the Unix-domain socket at `path`, as `open_unix_connection`.
template <detail::makes_protocols Factory>
[[nodiscard]] coro<connection<detail::made_by<Factory>>> create_unix_connection(
    const Factory& factory, std::string path, stream_options options = {},
    await_site where = await_site::current()) {
    return detail::typed<detail::made_by<Factory>>(
        detail::create_unix_connection(factory, std::move(path), options, where));
}

/// For a connected stream socket that something else has made or accepted. The descriptor is the
/// transport's from here on, also if this throws.
template <detail::makes_protocols Factory>
[[nodiscard]] coro<connection<detail::made_by<Factory>>> connect_accepted_socket(
    const Factory& factory, file_descriptor socket, stream_options options = {},
    await_site where = await_site::current()) {
    return detail::typed<detail::made_by<Factory>>(
        detail::connect_accepted_socket(factory, std::move(socket), options, where));
}

/// For a stream of whatever kind, TLS included: the protocol gets what was not read yet, and all
/// that follows. The stream is empty afterwards. Throws `invalid_state_error` for one that is
/// closed, or being read.
template <detail::makes_protocols Factory>
[[nodiscard]] coro<connection<detail::made_by<Factory>>> connect_stream(
    const Factory& factory, stream s, await_site where = await_site::current()) {
    return detail::typed<detail::made_by<Factory>>(
        detail::connect_stream(factory, std::move(s), where));
}

/// The end of a pipe that is read from; see `open_read_pipe`. At the pipe's end `eof_received` is
/// called, then `connection_lost`.
template <detail::makes_protocols Factory>
[[nodiscard]] coro<connection<detail::made_by<Factory>>> connect_read_pipe(
    const Factory& factory, file_descriptor end, await_site where = await_site::current()) {
    return detail::typed<detail::made_by<Factory>>(
        detail::connect_read_pipe(factory, std::move(end), where));
}

/// The end that is written to; see `open_write_pipe`. When the reader goes, `connection_lost` comes
/// at once: with `broken_pipe` if something is unsent, else with null.
template <detail::makes_protocols Factory>
[[nodiscard]] coro<connection<detail::made_by<Factory>>> connect_write_pipe(
    const Factory& factory, file_descriptor end, await_site where = await_site::current()) {
    return detail::typed<detail::made_by<Factory>>(
        detail::connect_write_pipe(factory, std::move(end), where));
}

/// A handler for `start_server` and its kin that makes a protocol for each connection. The
/// connection's task lasts until `connection_lost`; cancelling it aborts the transport.
///
///     auto server = co_await coroscope::start_server(
///         coroscope::with_tls(coroscope::with_protocol(coroscope::make_protocol<echo>), keys), "",
///         443);
template <detail::makes_protocols Factory>
[[nodiscard]] connection_handler with_protocol(const Factory& factory,
                                               await_site where = await_site::current()) {
    return detail::with_protocol(factory, where);
}

/// `start_server` with a protocol for each connection. `server::wait_closed` waits until all have
/// lost their connections.
template <detail::makes_protocols Factory>
[[nodiscard]] coro<server> create_server(const Factory& factory, std::string host,
                                         std::uint16_t port, server_options options = {},
                                         await_site where = await_site::current()) {
    return start_server(detail::with_protocol(factory, where), std::move(host), port, options,
                        where);
}

/// `start_unix_server` with a protocol for each connection.
template <detail::makes_protocols Factory>
[[nodiscard]] coro<server> create_unix_server(const Factory& factory, std::string path,
                                              server_options options = {},
                                              await_site where = await_site::current()) {
    return start_unix_server(detail::with_protocol(factory, where), std::move(path), options,
                             where);
}

}  // namespace coroscope
