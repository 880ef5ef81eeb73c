// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/detail/callback.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace coroscope {

class loop;

/// Calls `f()` from the loop whenever the descriptor can be read (or has ended, or failed), again
/// and again until it has been read empty: for libraries that bring sockets or pipes of their own.
/// A second call replaces `f`.
///
///     coroscope::add_reader(loop, fd, [&] { library.process_input(); });
///
/// What `f` throws goes to the loop's exception handler, and the watch goes on. **Errors**:
/// `boost::system::system_error` naming the descriptor where it cannot be watched: a file, or one
/// that belongs to a stream or another object of Asio. **Thread safety**: the loop's thread only.
/// **Lifetime**: the descriptor stays yours; remove it before you close it. Closing the loop
/// removes everything.
void add_reader(loop& in, int descriptor, detail::callback f,
                await_site where = await_site::current());
/// The same for a descriptor that can be written to.
void add_writer(loop& in, int descriptor, detail::callback f,
                await_site where = await_site::current());
/// From now on `f` is not called, even if the descriptor was ready. False if there was none.
bool remove_reader(loop& in, int descriptor) noexcept;
bool remove_writer(loop& in, int descriptor) noexcept;

/// Owns a descriptor and closes it.
class file_descriptor {
public:
    file_descriptor() = default;
    explicit file_descriptor(int descriptor) noexcept : descriptor_(descriptor) {}
    file_descriptor(file_descriptor&& other) noexcept
        : descriptor_(std::exchange(other.descriptor_, -1)) {}
    file_descriptor& operator=(file_descriptor&& other) noexcept {
        if (this != &other) {
            close();
            descriptor_ = other.release();
        }
        return *this;
    }
    ~file_descriptor() { close(); }

    /// -1: none.
    [[nodiscard]] int get() const noexcept { return descriptor_; }
    [[nodiscard]] int release() noexcept { return std::exchange(descriptor_, -1); }
    void close() noexcept;

private:
    int descriptor_ = -1;
};

// Sockets that are not streams. They must be non-blocking (`std::invalid_argument`), stay yours,
// and belong to no object of Asio. Cancelling loses nothing: what was received is the result, what
// was not stays in the kernel. Failures throw `boost::system::system_error` naming descriptor and
// call.

/// Waits for a connection to a listening socket; its socket is non-blocking.
[[nodiscard]] coro<file_descriptor> sock_accept(int socket,
                                                await_site where = await_site::current());
/// Connects to the first address of `host` that is of the socket's kind.
[[nodiscard]] coro<> sock_connect(int socket, std::string host, std::uint16_t port,
                                  await_site where = await_site::current());
/// Waits until something is there and gives up to `most` bytes of it; empty at the end.
[[nodiscard]] coro<std::string> sock_recv(int socket, std::size_t most,
                                          await_site where = await_site::current());
/// Sends everything. If it is cancelled or fails, nobody knows how much was sent.
[[nodiscard]] coro<> sock_sendall(int socket, std::string bytes,
                                  await_site where = await_site::current());

}  // namespace coroscope
