// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/resolve.hpp>

#include <coroscope/runtime/loop.hpp>

#include "sited.hpp"
#include "stream_state.hpp"

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/system/system_error.hpp>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include <netdb.h>
#include <sys/socket.h>

namespace coroscope {
namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;
using boost::system::system_error;

[[nodiscard]] error_code code_of(int failure) {
    return failure == EAI_SYSTEM ? error_code(errno, boost::system::system_category())
                                 : error_code(failure, boost::asio::error::get_addrinfo_category());
}

struct list_freer {
    void operator()(addrinfo* list) const noexcept { ::freeaddrinfo(list); }
};
using address_list = std::unique_ptr<addrinfo, list_freer>;

/// Blocks. Asio's own resolver cannot be abandoned by a cancelled task, hence getaddrinfo.
[[nodiscard]] address_list look_up(const std::string& host, const std::string& service,
                                   const addrinfo& wanted) {
    addrinfo* found = nullptr;
    const int failure = ::getaddrinfo(host.empty() ? nullptr : host.c_str(),
                                      service.empty() ? nullptr : service.c_str(), &wanted, &found);
    address_list owner(found);
    if (failure == 0) { return owner; }
    const auto what = service.empty() ? host : host + " service " + service;
    throw system_error(
        failure == EAI_NONAME ? boost::asio::error::host_not_found : code_of(failure),
        "looking up " + what + ": " + ::gai_strerror(failure));
}

[[nodiscard]] std::vector<tcp::endpoint> endpoints_in(const address_list& list) {
    std::vector<tcp::endpoint> endpoints;
    for (const auto* entry = list.get(); entry != nullptr; entry = entry->ai_next) {
        tcp::endpoint endpoint;
        if (entry->ai_addrlen > endpoint.capacity()) { continue; }
        std::memcpy(endpoint.data(), entry->ai_addr, entry->ai_addrlen);
        endpoint.resize(entry->ai_addrlen);
        endpoints.push_back(endpoint);
    }
    return endpoints;
}

[[nodiscard]] std::vector<tcp::endpoint> look_up_host(const std::string& host, std::uint16_t port) {
    addrinfo wanted = {};
    wanted.ai_family = AF_UNSPEC;
    wanted.ai_socktype = SOCK_STREAM;
    wanted.ai_flags = AI_ADDRCONFIG;
    auto endpoints = endpoints_in(look_up(host, {}, wanted));
    for (auto& endpoint : endpoints) {
        endpoint.port(port);
    }
    return endpoints;
}

[[nodiscard]] int family_of(address_family family) noexcept {
    if (family == address_family::ipv4) { return AF_INET; }
    return family == address_family::ipv6 ? AF_INET6 : AF_UNSPEC;
}

[[nodiscard]] std::vector<resolved_address> look_up_addresses(const std::string& host,
                                                              const std::string& service,
                                                              const lookup_options& options) {
    addrinfo wanted = {};
    wanted.ai_family = family_of(options.family);
    wanted.ai_socktype = options.kind == socket_kind::stream ? SOCK_STREAM : SOCK_DGRAM;
    if (options.passive) { wanted.ai_flags |= AI_PASSIVE; }
    if (options.numeric_only) { wanted.ai_flags |= AI_NUMERICHOST; }
    // With neither there would be nothing to look up; port 0 is what an empty service means.
    const auto list = look_up(host, host.empty() && service.empty() ? "0" : service, wanted);
    std::vector<resolved_address> addresses;
    for (const auto& endpoint : endpoints_in(list)) {
        const auto family =
            endpoint.address().is_v6() ? address_family::ipv6 : address_family::ipv4;
        addresses.emplace_back(endpoint.address().to_string(), endpoint.port(), family);
    }
    return addresses;
}

[[nodiscard]] host_and_service look_up_names(const tcp::endpoint& endpoint,
                                             const naming_options& options) {
    int flags = 0;
    if (options.numeric_host) { flags |= NI_NUMERICHOST; }
    if (options.numeric_service) { flags |= NI_NUMERICSERV; }
    if (options.name_required) { flags |= NI_NAMEREQD; }
    if (options.kind == socket_kind::datagram) { flags |= NI_DGRAM; }
    std::array<char, NI_MAXHOST> host = {};
    std::array<char, NI_MAXSERV> service = {};
    const int failure =
        ::getnameinfo(endpoint.data(), static_cast<socklen_t>(endpoint.size()), host.data(),
                      host.size(), service.data(), service.size(), flags);
    if (failure != 0) {
        throw system_error(code_of(failure), "looking up the name of "
                                                 + endpoint.address().to_string() + ": "
                                                 + ::gai_strerror(failure));
    }
    return {host.data(), service.data()};
}

}  // namespace

coro<std::vector<resolved_address>> getaddrinfo(std::string host, std::string service,
                                                lookup_options options, await_site where) {
    auto job = [host = std::move(host), service = std::move(service), options] {
        return look_up_addresses(host, service, options);
    };
    auto pending = get_running_loop().run_in_executor(std::move(job), where);
    auto found = co_await detail::at(where, std::move(pending));
    co_return found;
}

coro<host_and_service> getnameinfo(std::string host, std::uint16_t port, naming_options options,
                                   await_site where) {
    error_code error;
    const auto address = boost::asio::ip::make_address(host, error);
    if (error) {
        throw system_error(error, "getnameinfo of '" + host + "', which is no numeric address");
    }
    auto job = [endpoint = tcp::endpoint(address, port), options] {
        return look_up_names(endpoint, options);
    };
    auto pending = get_running_loop().run_in_executor(std::move(job), where);
    auto found = co_await detail::at(where, std::move(pending));
    co_return found;
}

namespace detail {

coro<std::vector<tcp::endpoint>> resolve(std::string host, std::uint16_t port, await_site where) {
    std::vector<tcp::endpoint> endpoints;
    boost::system::error_code not_numeric;
    const auto address = boost::asio::ip::make_address(host, not_numeric);
    if (!not_numeric) {
        endpoints.emplace_back(address, port);
    } else if (host == "localhost") {
        endpoints.emplace_back(boost::asio::ip::address_v4::loopback(), port);
        endpoints.emplace_back(boost::asio::ip::address_v6::loopback(), port);
    } else {
        auto job = [host, port] {
            return look_up_host(host, port);
        };
        auto pending = get_running_loop().run_in_executor(std::move(job), where);
        endpoints = co_await at(where, std::move(pending));
    }
    co_return endpoints;
}

}  // namespace detail

}  // namespace coroscope
