// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/profiler_server/facts_source.hpp>

#include <boost/system/error_code.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <string>

namespace coroscope {
class loop;
}

namespace coroscope::profiler_server {

/// A loop that a server tells of. The loop may end before the server does.
using watched_loop = std::reference_wrapper<const loop>;

/// Where to listen: a numeric address or `localhost`, and a port; port 0 takes any free one.
///
/// Who can connect can read names, source lines and timings of the program, and there is no
/// password; so the default is this machine only.
struct endpoint {
    std::string host = "127.0.0.1";
    std::uint16_t port = 0;
};

struct server_options {
    std::string program;               ///< as `version` tells it; empty: the executable's name
    std::size_t max_connections = 64;  ///< more are told to try later
    std::size_t max_request_bytes = std::size_t{1} << 20U;

    /// From a request's first byte to its last.
    std::chrono::milliseconds request_timeout{3'000};
    /// From the connection to the first request's first byte.
    std::chrono::milliseconds first_request_timeout{10'000};
    /// From a reply to the next request on the same connection.
    std::chrono::milliseconds next_request_timeout{300'000};
    /// For a reply to be taken by the client; who is slower is dropped.
    std::chrono::milliseconds write_timeout{10'000};
};

/// The server cannot listen. The message names the address and says what to do.
class listen_error : public std::runtime_error {
public:
    listen_error(const endpoint& where, const boost::system::error_code& code);

    [[nodiscard]] const boost::system::error_code& code() const noexcept { return code_; }

private:
    boost::system::error_code code_;
};

/// Answers questions about this program over TCP, one JSON object a line; docs/protocol.md has the
/// questions and the answers. Netcat is client enough:
///
///     echo '{"command":"time_stats"}' | nc 127.0.0.1 1234
///
/// It has a thread of its own, so it answers while the loops are blocked, and it stays up when the
/// code that started it has finished, until `close()` or destruction. All signals are blocked on
/// that thread: they go to the program's own.
///
/// **Thread safety**: all members may be called from any thread, except that construction, moving
/// and destruction are the owner's. **Lifetime**: keeps the facts' source alive until it is closed.
class profiler_server {
public:
    /// Listens and answers when it returns. Throws `listen_error`.
    profiler_server(std::shared_ptr<facts_source> facts, const endpoint& where = {},
                    const server_options& options = {});
    /// Tells of the tasks and figures of these loops, `{{loop_a, loop_b}, endpoint, options}`; of
    /// all loops of the process if the list is empty. `live_facts` adds profilers and slow steps.
    profiler_server(std::initializer_list<watched_loop> loops, const endpoint& where = {},
                    const server_options& options = {});
    profiler_server(profiler_server&&) noexcept;
    profiler_server& operator=(profiler_server&&) noexcept;
    ~profiler_server();

    /// The address it listens on.
    [[nodiscard]] const std::string& host() const noexcept;
    /// The port it listens on, never 0.
    [[nodiscard]] std::uint16_t port() const noexcept;
    /// Connections that are open now.
    [[nodiscard]] std::size_t connections() const noexcept;

    /// Closes all connections and stops the threads; a question that is just being answered is
    /// finished first, a CPU profile ended early. The second call does nothing. Must not be called
    /// by the facts' source.
    void close() noexcept;

private:
    class implementation;
    std::unique_ptr<implementation> implementation_;
};

/// A server that answers from `facts`; the same as constructing one.
[[nodiscard]] profiler_server start_profiler_server(std::shared_ptr<facts_source> facts,
                                                    const endpoint& where = {},
                                                    const server_options& options = {});

}  // namespace coroscope::profiler_server
