// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/loop.hpp>

#include "sited.hpp"
#include "stream_state.hpp"

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <cstring>
#include <memory>

#include <netdb.h>
#include <sys/socket.h>

namespace coroscope::detail {
namespace {

using boost::asio::ip::tcp;

/// Blocks. Asio's own resolver cannot be abandoned by a cancelled task, hence getaddrinfo.
std::vector<tcp::endpoint> look_up(const std::string& host, std::uint16_t port) {
    addrinfo wanted = {};
    wanted.ai_family = AF_UNSPEC;
    wanted.ai_socktype = SOCK_STREAM;
    wanted.ai_flags = AI_ADDRCONFIG;
    addrinfo* found = nullptr;
    const int code = ::getaddrinfo(host.c_str(), nullptr, &wanted, &found);
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
    if (code != 0) {
        throw boost::system::system_error(boost::asio::error::host_not_found,
                                          "looking up " + host + ": " + ::gai_strerror(code));
    }
    std::vector<tcp::endpoint> endpoints;
    for (const auto* entry = found; entry != nullptr; entry = entry->ai_next) {
        tcp::endpoint endpoint;
        if (entry->ai_addrlen > endpoint.capacity()) { continue; }
        std::memcpy(endpoint.data(), entry->ai_addr, entry->ai_addrlen);
        endpoint.resize(entry->ai_addrlen);
        endpoint.port(port);
        endpoints.push_back(endpoint);
    }
    return endpoints;
}

}  // namespace

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
            return look_up(host, port);
        };
        auto pending = get_running_loop().run_in_executor(std::move(job), where);
        endpoints = co_await at(where, std::move(pending));
    }
    co_return endpoints;
}

}  // namespace coroscope::detail
