// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cerrno>

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/// A kernel with no room for a datagram, on demand. No socket of the loopback device ever is in
/// that state: a datagram leaves the sender's buffer in the call that sends it. So this executable
/// has the system calls' C functions itself. Include it in one file of an executable.
namespace full_kernel {

inline std::atomic<int> blocked_socket{-1};
inline std::atomic<int> refusals{0};

/// While it exists, sending by this socket would block.
class no_room {
public:
    explicit no_room(int socket) {
        refusals = 0;
        blocked_socket = socket;
    }
    no_room(const no_room&) = delete;
    no_room& operator=(const no_room&) = delete;
    ~no_room() { blocked_socket = -1; }
};

[[nodiscard]] inline bool refuses(int socket) noexcept {
    if (socket != blocked_socket) { return false; }
    ++refusals;
    errno = EAGAIN;
    return true;
}

}  // namespace full_kernel

extern "C" ssize_t sendto(int socket, const void* bytes, size_t size, int flags, const sockaddr* to,
                          socklen_t to_size) {
    if (full_kernel::refuses(socket)) { return -1; }
    return ::syscall(SYS_sendto, socket, bytes, size, flags, to, to_size);
}

extern "C" ssize_t send(int socket, const void* bytes, size_t size, int flags) {
    return ::sendto(socket, bytes, size, flags, nullptr, 0);
}
