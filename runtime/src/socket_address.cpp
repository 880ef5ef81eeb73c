// SPDX-License-Identifier: Apache-2.0
#include "socket_address.hpp"

#include <boost/system/system_error.hpp>

#include <cstddef>
#include <cstring>

#include <sys/socket.h>
#include <sys/un.h>

namespace coroscope::detail {
namespace {

using boost::asio::generic::stream_protocol;
using boost::asio::ip::tcp;

std::string host_and_port(const boost::asio::ip::address& address, unsigned port) {
    const auto text = address.to_string();
    return address.is_v6() ? "[" + text + "]:" + std::to_string(port)
                           : text + ":" + std::to_string(port);
}

std::string path_of(const stream_protocol::endpoint& endpoint) {
    constexpr auto begin = offsetof(sockaddr_un, sun_path);
    if (endpoint.size() <= begin) { return {}; }
    std::string path(endpoint.size() - begin, '\0');
    const auto* bytes = static_cast<const char*>(static_cast<const void*>(endpoint.data()));
    std::memcpy(path.data(), bytes + begin, path.size());
    if (path.front() == '\0') {
        path.front() = '@';
        return path;
    }
    return path.substr(0, path.find('\0'));
}

/// The name of a Unix-domain client, which has no address as a rule.
std::string client_of(stream_protocol::socket& socket, const std::string& path) {
    ucred who = {};
    socklen_t size = sizeof who;
    const int failed = ::getsockopt(socket.native_handle(), SOL_SOCKET, SO_PEERCRED, &who, &size);
    const auto name =
        failed == 0 && who.pid != 0 ? "process " + std::to_string(who.pid) : "somebody";
    return path.empty() ? name : name + " on " + path;
}

}  // namespace

std::string to_text(const tcp::endpoint& endpoint) {
    return host_and_port(endpoint.address(), endpoint.port());
}

std::string to_text(const boost::asio::ip::udp::endpoint& endpoint) {
    return host_and_port(endpoint.address(), endpoint.port());
}

std::string to_text(const stream_protocol::endpoint& endpoint) {
    const int family = endpoint.protocol().family();
    if (family == AF_UNIX) { return path_of(endpoint); }
    tcp::endpoint address;
    if (endpoint.size() > address.capacity()) { return "(unknown address)"; }
    std::memcpy(address.data(), endpoint.data(), endpoint.size());
    address.resize(endpoint.size());
    return to_text(address);
}

boost::asio::local::stream_protocol::endpoint unix_endpoint(const std::string& path) {
    try {
        return {path};
    } catch (const boost::system::system_error& e) {
        throw boost::system::system_error(
            e.code(), "the path of a Unix-domain socket has at most "
                          + std::to_string(sizeof(sockaddr_un::sun_path) - 1) + " bytes: " + path);
    }
}

socket_names names_of(stream_protocol::socket& socket) {
    boost::system::error_code error;
    socket_names names = {"(not connected)", "(not connected)"};
    const auto here = socket.local_endpoint(error);
    if (!error) { names.local = to_text(here); }
    const auto peer = socket.remote_endpoint(error);
    if (!error) { names.remote = to_text(peer); }
    if (names.remote.empty()) { names.remote = client_of(socket, names.local); }
    if (names.local.empty()) { names.local = "client of " + names.remote; }
    return names;
}

}  // namespace coroscope::detail
