// SPDX-License-Identifier: Apache-2.0
#include "open_sockets.hpp"

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string_view>

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>

namespace coroscope::testkit::detail {
namespace {

[[nodiscard]] std::optional<int> number_of(std::string_view text) {
    int number = 0;
    const auto* const end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, number);
    return parsed.ec == std::errc() && parsed.ptr == end ? std::optional(number) : std::nullopt;
}

[[nodiscard]] std::vector<int> own_descriptors() {
    std::vector<int> found;
    std::error_code failure;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", failure)) {
        const auto number = number_of(entry.path().filename().native());
        if (number.has_value()) { found.push_back(*number); }
    }
    return found;
}

[[nodiscard]] bool is_socket(int descriptor) noexcept {
    struct stat facts = {};
    return ::fstat(descriptor, &facts) == 0 && S_ISSOCK(facts.st_mode);
}

[[nodiscard]] bool is_epoll(int descriptor) {
    std::error_code failure;
    const auto link = "/proc/self/fd/" + std::to_string(descriptor);
    return std::filesystem::read_symlink(link, failure) == "anon_inode:[eventpoll]";
}

/// What an epoll descriptor watches.
[[nodiscard]] std::vector<int> watched_by(int epoll) {
    std::vector<int> watched;
    std::ifstream file("/proc/self/fdinfo/" + std::to_string(epoll));
    std::string line;
    while (std::getline(file, line)) {
        std::istringstream words(line);
        std::string key;
        int number = 0;
        if (words >> key >> number && key == "tfd:") { watched.push_back(number); }
    }
    return watched;
}

/// What the loop's Asio watches: of all epoll descriptors, the one that watches a descriptor of
/// ours once it was given to the loop.
[[nodiscard]] std::vector<int> watched_by(loop& in, const std::vector<int>& descriptors) {
    const int number = ::eventfd(0, EFD_CLOEXEC);
    if (number < 0) { return {}; }
    const boost::asio::posix::stream_descriptor marker(in.io_context(), number);
    for (const auto each : descriptors) {
        if (!is_epoll(each)) { continue; }
        auto watched = watched_by(each);
        if (std::ranges::find(watched, number) != watched.end()) { return watched; }
    }
    return {};
}

using any_endpoint = boost::asio::generic::stream_protocol::endpoint;
using asker = int (*)(int, sockaddr*, socklen_t*);

/// Empty if the socket has none, or it is no internet address.
[[nodiscard]] std::string address_of(int socket, asker ask) {
    any_endpoint found;
    auto length = static_cast<socklen_t>(found.capacity());
    if (ask(socket, found.data(), &length) != 0) { return {}; }
    const auto family = found.data()->sa_family;
    if (family != AF_INET && family != AF_INET6) { return {}; }
    boost::asio::ip::tcp::endpoint address;
    std::copy_n(reinterpret_cast<const char*>(found.data()), length,
                reinterpret_cast<char*>(address.data()));
    std::ostringstream text;
    text << address;
    return text.str();
}

[[nodiscard]] std::string describe(int socket) {
    int listens = 0;
    socklen_t size = sizeof listens;
    ::getsockopt(socket, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size);
    auto text = "socket " + std::to_string(socket);
    const auto here = address_of(socket, ::getsockname);
    const auto there = address_of(socket, ::getpeername);
    if (listens != 0) { text += ", listening"; }
    if (!here.empty()) { text += " at " + here; }
    if (!there.empty()) { text += ", connected to " + there; }
    return text;
}

}  // namespace

std::vector<std::string> open_sockets(loop& of) {
    const auto all = own_descriptors();
    if (std::ranges::none_of(all, is_socket)) { return {}; }
    std::vector<std::string> found;
    for (const auto number : watched_by(of, all)) {
        if (is_socket(number)) { found.push_back(describe(number)); }
    }
    return found;
}

}  // namespace coroscope::testkit::detail
