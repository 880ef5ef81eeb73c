// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/coro.hpp>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace coroscope {

/// Which addresses are wanted.
enum class address_family : std::uint8_t { any, ipv4, ipv6 };

/// What for: which services are known by name depends on it.
enum class socket_kind : std::uint8_t { stream, datagram };

struct lookup_options {
    address_family family = address_family::any;
    socket_kind kind = socket_kind::stream;
    /// Addresses to listen on rather than to connect to; matters for an empty host only.
    bool passive = false;
    /// The host must be a numeric address: nothing is looked up.
    bool numeric_only = false;
};

/// An address and a port, as numbers.
struct resolved_address {
    resolved_address(std::string h, std::uint16_t p, address_family f)
        : host(std::move(h)),
          port(p),
          family(f) {}
    std::string host;
    std::uint16_t port;
    address_family family;  ///< never `any`
    friend bool operator==(const resolved_address&, const resolved_address&) = default;
};

/// Looks up a host's addresses and a service's port (`http`, `80`; empty: 0), in the order to try
/// them. An empty host is this machine. Runs `getaddrinfo` in the loop's default executor:
/// cancelling abandons the lookup, which ends there unheard. Throws `boost::system::system_error`
/// naming host and service.
///
///     const auto found = co_await coroscope::getaddrinfo("localhost", "8080");
[[nodiscard]] coro<std::vector<resolved_address>> getaddrinfo(
    std::string host, std::string service, lookup_options options = {},
    await_site where = await_site::current());

/// Names for an address and a port.
struct host_and_service {
    host_and_service(std::string h, std::string s) : host(std::move(h)), service(std::move(s)) {}
    std::string host;
    std::string service;
};

struct naming_options {
    bool numeric_host = false;     ///< the address as it is
    bool numeric_service = false;  ///< the port as it is
    bool name_required = false;    ///< throws for an address that has no name
    socket_kind kind = socket_kind::stream;
};

/// The other way round: what a numeric address and a port are called, or they themselves. Runs,
/// ends and fails as `getaddrinfo`.
[[nodiscard]] coro<host_and_service> getnameinfo(std::string host, std::uint16_t port,
                                                 naming_options options = {},
                                                 await_site where = await_site::current());

}  // namespace coroscope
