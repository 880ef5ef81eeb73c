// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/subprocess.hpp>

#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace coroscope {

namespace detail {
struct subprocess_transport_state;
}

/// What a protocol does to its child. A counted handle; copies mean the same. The loop keeps child
/// and protocol until `connection_lost`; after that nothing here does anything. **Thread safety**:
/// the loop's thread only. **Lifetime**: may outlive the loop.
class subprocess_transport {
public:
    /// For the library's own components.
    explicit subprocess_transport(
        std::shared_ptr<detail::subprocess_transport_state> state) noexcept
        : state_(std::move(state)) {}

    [[nodiscard]] pid_t pid() const;
    [[nodiscard]] std::optional<int> returncode() const;
    /// To the child's input; see `stream::write`. Does nothing once the child reads no more.
    void write(std::string_view bytes);
    /// Ends the child's input, after what was written.
    void write_eof();
    bool send_signal(int signal);
    bool terminate();
    bool kill();
    /// Closes the pipes and kills the child if it runs.
    void close();

private:
    std::shared_ptr<detail::subprocess_transport_state> state_;
};

/// Callbacks of a child process, for code that is written in callbacks; with coroutines use
/// `process`. Streams are counted as the kernel does: 0 input, 1 output, 2 error. Called on the
/// loop's thread, in this order: `connection_made`; data and the end of each pipe and
/// `process_exited` as they come; `connection_lost` when all that is over. The end of 0 comes when
/// it was closed here and all was sent, or when the child reads no more. If one of them throws, the
/// child is killed, and `connection_lost` is told; what `connection_made` throws reaches the caller
/// instead.
class subprocess_protocol {
public:
    subprocess_protocol() = default;
    subprocess_protocol(const subprocess_protocol&) = delete;
    subprocess_protocol& operator=(const subprocess_protocol&) = delete;
    virtual ~subprocess_protocol() = default;

    virtual void connection_made(subprocess_transport) {}
    virtual void pipe_data_received(int /*stream*/, std::string_view /*bytes*/) {}
    /// Null: it has ended, or was closed here. `broken_pipe`: the child reads no more, and
    /// something that was written had not been sent.
    virtual void pipe_connection_lost(int /*stream*/, std::exception_ptr) {}
    virtual void process_exited() {}
    /// Null: everything ended as it should, or the transport was closed.
    virtual void connection_lost(std::exception_ptr) {}
};

using subprocess_protocol_factory = std::function<std::shared_ptr<subprocess_protocol>()>;

struct subprocess_connection {
    subprocess_transport transport;
    std::shared_ptr<subprocess_protocol> protocol;
};

/// Pipes for all three standard streams.
[[nodiscard]] subprocess_options all_piped();

/// Starts a program as `create_subprocess_exec` does, for a protocol. Returns after
/// `connection_made`.
[[nodiscard]] coro<subprocess_connection> subprocess_exec(subprocess_protocol_factory factory,
                                                          command program,
                                                          subprocess_options options = all_piped(),
                                                          await_site where = await_site::current());

/// The same for `/bin/sh -c line`.
[[nodiscard]] coro<subprocess_connection> subprocess_shell(
    subprocess_protocol_factory factory, std::string line, subprocess_options options = all_piped(),
    await_site where = await_site::current());

}  // namespace coroscope
