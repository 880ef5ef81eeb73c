// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/connection.hpp>
#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/datagram_endpoint.hpp>
#include <coroscope/runtime/protocol.hpp>
#include <coroscope/runtime/transport.hpp>

#include <concepts>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

namespace coroscope {

/// A datagram transport and the protocol that was made for it, as the protocol's own type.
template <class Protocol>
struct datagram_connection {
    datagram_connection(std::shared_ptr<datagram_transport> t, std::shared_ptr<Protocol> p) noexcept
        : transport(std::move(t)),
          protocol(std::move(p)) {}
    std::shared_ptr<datagram_transport> transport;
    std::shared_ptr<Protocol> protocol;
};

namespace detail {

using datagram_factory = std::function<std::shared_ptr<datagram_protocol>()>;
using untyped_datagram_connection = datagram_connection<datagram_protocol>;

template <class Factory>
concept makes_datagram_protocols = requires(Factory& f) {
    { f() } -> std::convertible_to<std::shared_ptr<datagram_protocol>>;
    typename made_by<Factory>;
};

[[nodiscard]] coro<untyped_datagram_connection> create_datagram_endpoint(
    datagram_factory factory, std::optional<datagram_address> local,
    std::optional<datagram_address> remote, await_site where);

template <class Protocol>
[[nodiscard]] coro<datagram_connection<Protocol>> typed(
    coro<untyped_datagram_connection> connecting) {
    auto made = co_await std::move(connecting);
    co_return datagram_connection<Protocol>(
        std::move(made.transport), std::static_pointer_cast<Protocol>(std::move(made.protocol)));
}

}  // namespace detail

/// A UDP socket for a protocol, bound to `local` (an empty host: all addresses, IPv4; port 0: any
/// free one), connected to `remote`, or both. Completes once `connection_made` has returned. Throws
/// `std::invalid_argument` without either, `boost::system::system_error` naming the address.
///
///     const coroscope::datagram_address here("127.0.0.1", 3553);
///     auto made = co_await coroscope::create_datagram_endpoint(coroscope::make_protocol<echo>,
///     here);
///
/// Factories are as those of `create_connection`.
template <detail::makes_datagram_protocols Factory>
[[nodiscard]] coro<datagram_connection<detail::made_by<Factory>>> create_datagram_endpoint(
    const Factory& factory, std::optional<datagram_address> local,
    std::optional<datagram_address> remote = std::nullopt,
    await_site where = await_site::current()) {
    return detail::typed<detail::made_by<Factory>>(
        detail::create_datagram_endpoint(factory, std::move(local), std::move(remote), where));
}

}  // namespace coroscope
