// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/asio.hpp>
#include <coroscope/runtime/descriptors.hpp>
#include <coroscope/runtime/loop.hpp>

#include "sited.hpp"
#include "stream_state.hpp"
#include "watches.hpp"

#include <boost/system/system_error.hpp>

#include <cerrno>
#include <stdexcept>
#include <utility>

#include <fcntl.h>
#include <sys/socket.h>

namespace coroscope {
namespace {

using boost::asio::posix::descriptor_base;
using boost::system::error_code;

[[nodiscard]] std::string named(const char* call, int socket) {
    return std::string(call) + " on descriptor " + std::to_string(socket);
}

[[noreturn]] void throw_failed(const char* call, int socket, int error) {
    throw boost::system::system_error(error_code(error, boost::system::system_category()),
                                      named(call, socket));
}

/// Only now is `errno` asked: after a call that said it failed.
[[nodiscard]] bool must_wait() noexcept {
    return errno == EAGAIN;
}

void expect_non_blocking(const char* call, int socket) {
    const int flags = ::fcntl(socket, F_GETFL);
    if (flags < 0) { throw_failed(call, socket, errno); }
    if ((flags & O_NONBLOCK) == 0) {
        throw std::invalid_argument(
            named(call, socket) + ", which blocks; set O_NONBLOCK, so that the loop never does");
    }
}

coro<> wait_for_descriptor(int socket, descriptor_base::wait_type wanted, await_site where) {
    const auto shared = detail::watches::of(get_running_loop()).use(socket);
    co_await detail::at(where, shared->registration.async_wait(wanted, use_coro));
}

[[nodiscard]] int kind_of(int socket) {
    int family = 0;
    socklen_t size = sizeof family;
    if (::getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &family, &size) != 0) {
        throw_failed("sock_connect", socket, errno);
    }
    return family;
}

[[nodiscard]] int pending_error(int socket) {
    int error = 0;
    socklen_t size = sizeof error;
    return ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

}  // namespace

coro<file_descriptor> sock_accept(int socket, await_site where) {
    expect_non_blocking("sock_accept", socket);
    while (true) {
        file_descriptor accepted(::accept4(socket, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (accepted.get() >= 0) { co_return accepted; }
        if (errno == EINTR || errno == ECONNABORTED) { continue; }
        if (!must_wait()) { throw_failed("sock_accept", socket, errno); }
        co_await wait_for_descriptor(socket, descriptor_base::wait_read, where);
    }
}

coro<> sock_connect(int socket, std::string host, std::uint16_t port, await_site where) {
    expect_non_blocking("sock_connect", socket);
    const int family = kind_of(socket);
    const auto endpoints = co_await detail::resolve(std::move(host), port, where);
    for (const auto& endpoint : endpoints) {
        if (endpoint.protocol().family() != family) { continue; }
        const int result =
            ::connect(socket, endpoint.data(), static_cast<socklen_t>(endpoint.size()));
        if (result == 0) { co_return; }
        if (errno != EINPROGRESS) { throw_failed("sock_connect", socket, errno); }
        co_await wait_for_descriptor(socket, descriptor_base::wait_write, where);
        const int error = pending_error(socket);
        if (error != 0) { throw_failed("sock_connect", socket, error); }
        co_return;
    }
    throw_failed("sock_connect", socket, EAFNOSUPPORT);
}

coro<std::string> sock_recv(int socket, std::size_t most, await_site where) {
    expect_non_blocking("sock_recv", socket);
    std::string got;
    while (true) {
        got.resize(most);
        const auto n = ::recv(socket, got.data(), most, 0);
        if (n >= 0) {
            got.resize(static_cast<std::size_t>(n));
            co_return got;
        }
        if (errno == EINTR) { continue; }
        if (!must_wait()) { throw_failed("sock_recv", socket, errno); }
        co_await wait_for_descriptor(socket, descriptor_base::wait_read, where);
    }
}

coro<> sock_sendall(int socket, std::string bytes, await_site where) {
    expect_non_blocking("sock_sendall", socket);
    std::size_t sent = 0;
    while (sent < bytes.size()) {
        const auto n = ::send(socket, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
        if (n >= 0) {
            sent += static_cast<std::size_t>(n);
            continue;
        }
        if (errno == EINTR) { continue; }
        if (!must_wait()) { throw_failed("sock_sendall", socket, errno); }
        co_await wait_for_descriptor(socket, descriptor_base::wait_write, where);
    }
}

}  // namespace coroscope
