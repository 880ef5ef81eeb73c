// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/clock.hpp>
#include <coroscope/runtime/coro.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace coroscope {

namespace detail {
class stream_state;
class server_state;
struct stream_access;
}  // namespace detail

/// The other side ended the stream before what was asked for had arrived.
class incomplete_read_error : public std::runtime_error {
public:
    incomplete_read_error(std::string partial, const std::string& wanted, const std::string& peer);
    /// What did arrive; it has been taken out of the stream.
    [[nodiscard]] const std::string& partial() const noexcept { return partial_; }

private:
    std::string partial_;
};

/// More than `stream_options::read_limit` bytes came without the separator.
class limit_overrun_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// What a connection is opened with; `std::invalid_argument` tells of limits that make no sense.
struct stream_options {
    /// The most bytes that `read_until` and `read_line` look through for a separator; not 0.
    std::size_t read_limit = std::size_t{64} * 1024;
    /// Once more bytes than this are unsent, `drain` waits
    std::size_t high_water = std::size_t{64} * 1024;
    /// until no more than this are. Unset: a quarter of `high_water`.
    std::optional<std::size_t> low_water;
};

/// A connection over TCP or a Unix-domain socket, with or without TLS: bytes in, bytes out.
///
///     coroscope::coro<> shout(std::string host) {
///         auto s = co_await coroscope::open_connection(host, 7);
///         s.write("hello\n");
///         co_await s.drain();
///         std::string echo = co_await s.read_line();
///     }
///
/// Writing never waits: bytes go to the kernel at once (one system call, where nothing is unsent),
/// those it does not take are kept and sent in the background, in order. `drain` is how a writer is
/// slowed down to its reader's pace; without it unsent bytes grow without bound. Reading takes from
/// the kernel only what a read asks for, so that a slow reader slows the other side down. TCP
/// connections are made with TCP_NODELAY.
///
/// Where a task waits in one of these operations, listings and slow steps show the caller's line.
/// **Cancellation** of a waiting task loses no bytes: what had arrived stays for the next read, and
/// what was written is sent. **Errors**: reads and `drain` throw `boost::system::system_error`;
/// `write` does not, a lost connection shows at the next `drain`. **Thread safety**: the loop's
/// thread only; one task may read while another writes, two at a time may not read.
/// **Lifetime**: must not outlive its loop. Destroying a stream closes it as `close` does.
class stream {
public:
    /// Usable only to be assigned to.
    stream() noexcept;
    /// For the library's own components.
    explicit stream(std::shared_ptr<detail::stream_state> state) noexcept;
    stream(stream&& other) noexcept;
    stream& operator=(stream&& other) noexcept;
    ~stream();

    // --- Reading

    /// Waits until something is there and gives up to `n` bytes of it; empty at the end of the
    /// stream, and for `n` = 0.
    [[nodiscard]] coro<std::string> read(std::size_t n, await_site where = await_site::current());
    /// Exactly `n` bytes; throws `incomplete_read_error` where the stream ends before that.
    [[nodiscard]] coro<std::string> read_exactly(std::size_t n,
                                                 await_site where = await_site::current());
    /// Up to and including the separator. Throws `incomplete_read_error` at the end of the stream;
    /// `limit_overrun_error` if the limit is reached (the bytes stay in the stream);
    /// `std::invalid_argument` for an empty separator.
    [[nodiscard]] coro<std::string> read_until(std::string separator,
                                               await_site where = await_site::current());
    /// A line with its `\n`; the rest without one at the end of the stream, empty after that. Of a
    /// line over the limit what has come is dropped, and `limit_overrun_error` thrown.
    [[nodiscard]] coro<std::string> read_line(await_site where = await_site::current());
    /// Everything up to the end of the stream, however much that is.
    [[nodiscard]] coro<std::string> read_all(await_site where = await_site::current());

    // --- Writing

    /// Sends the bytes, now or in the background. Throws `invalid_state_error` after `close` or
    /// `write_eof`.
    void write(std::string_view bytes);
    /// Lets others run; once the unsent bytes have gone above the high-water mark, waits until they
    /// are at the low one. Throws what the connection failed with.
    [[nodiscard]] coro<> drain(await_site where = await_site::current());
    /// Tells the other side that nothing more comes, after what was written; reading goes on. With
    /// TLS this is its end notice, on which some other programs close the connection altogether.
    void write_eof();
    /// Bytes written that the kernel has not taken yet.
    [[nodiscard]] std::size_t unsent() const noexcept;

    // --- Ending

    /// No more reading (who waits in a read gets the end of the stream) and no more writing; what
    /// was written is still sent, in the background. The second call does nothing. TLS exchanges
    /// end notices, see `tls_options::shutdown_timeout`.
    void close() noexcept;
    /// Closes at once and drops what is unsent; a reset is what the other side may see.
    void abort() noexcept;
    /// Waits until the connection is closed and all was sent; throws what it failed with.
    [[nodiscard]] coro<> wait_closed(await_site where = await_site::current());
    /// True from `close` or `abort` on.
    [[nodiscard]] bool is_closing() const noexcept;

    // --- Facts

    /// `127.0.0.1:8080`, `[::1]:8080`, a socket's path; a Unix-domain client is
    /// `process PID on PATH`.
    [[nodiscard]] const std::string& remote_endpoint() const noexcept;
    [[nodiscard]] const std::string& local_endpoint() const noexcept;

private:
    friend struct detail::stream_access;
    [[nodiscard]] const std::shared_ptr<detail::stream_state>& state() const;
    std::shared_ptr<detail::stream_state> state_;
};

/// Connects to a host by numeric address or name, trying its addresses in order. Throws
/// `boost::system::system_error` with what the last one failed with. Names are looked up in the
/// loop's default executor; cancellation abandons that.
[[nodiscard]] coro<stream> open_connection(std::string host, std::uint16_t port,
                                           stream_options options = {},
                                           await_site where = await_site::current());

/// Connects to the Unix-domain socket at `path`; one that begins with a NUL byte is in the abstract
/// namespace. Throws `boost::system::system_error` naming the path.
[[nodiscard]] coro<stream> open_unix_connection(std::string path, stream_options options = {},
                                                await_site where = await_site::current());

/// What a server runs for each connection, in a task named `connection ` and the
/// other side's endpoint. What it
/// throws goes to the loop's exception handler, and its connection is closed when it ends.
using connection_handler = std::function<coro<>(stream)>;

struct server_options {
    stream_options stream;
    /// Connections that the kernel completes before we accept them; 0: as many as it allows.
    int backlog = 0;
    /// How long to stop accepting after that failed: no descriptor left, or no memory. The loop's
    /// exception handler is told.
    duration accept_pause = std::chrono::milliseconds(100);
};

/// Accepts connections until closed. Move-only handle; destroying it closes the server.
/// **Lifetime**: must not outlive its loop. Connections outlive the server.
class server {
public:
    /// For the library's own components.
    explicit server(std::shared_ptr<detail::server_state> state) noexcept;
    server(server&& other) noexcept;
    server& operator=(server&& other) noexcept;
    ~server();

    /// The port it listens on, never 0 for TCP; 0 for a Unix-domain server.
    [[nodiscard]] std::uint16_t port() const noexcept;
    /// What it listens on: `127.0.0.1:8080`, a socket's path; empty once closed.
    [[nodiscard]] std::vector<std::string> endpoints() const;
    /// Connections whose handlers have not ended.
    [[nodiscard]] std::size_t connections() const noexcept;
    /// Accepts no more; connections go on. The second call does nothing.
    void close() noexcept;
    /// Cancels the tasks of all connections.
    void cancel_connections();
    /// Waits until the server is closed and the handlers of its connections have ended.
    [[nodiscard]] coro<> wait_closed(await_site where = await_site::current());

private:
    std::shared_ptr<detail::server_state> state_;
};

/// Listens on all addresses of `host`: a numeric address, `localhost` or another name; empty: all
/// of the machine's. Port 0 takes any free one. Accepts when it returns. Throws
/// `boost::system::system_error` naming the address.
[[nodiscard]] coro<server> start_server(connection_handler handler, std::string host,
                                        std::uint16_t port, server_options options = {},
                                        await_site where = await_site::current());

/// Listens on a Unix-domain socket that it makes at `path`; one that begins with a NUL byte is in
/// the abstract namespace. A socket that is there already is replaced, as in asyncio, any other
/// file is an error. Closing the server removes the socket unless somebody else replaced it.
/// Throws `boost::system::system_error` naming the path.
[[nodiscard]] coro<server> start_unix_server(connection_handler handler, std::string path,
                                             server_options options = {},
                                             await_site where = await_site::current());

}  // namespace coroscope
