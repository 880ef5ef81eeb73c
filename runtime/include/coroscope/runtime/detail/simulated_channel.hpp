// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/stream.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/system/error_code.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace coroscope::detail {

struct loop_core;

/// What the bytes of a stream go through where that is no socket, but a script, memory, or a
/// network in virtual time: for the test kit. A stream knows no difference, and neither does what
/// is built on streams.
///
/// Operations that wait do not count as I/O, since nothing outside of the loop is waited for: fake
/// clocks go on, and a test in which only they are left is a deadlock. They end in callbacks of the
/// loop, never inside of a call. **Thread safety**: the loop's thread only.
class simulated_channel : public std::enable_shared_from_this<simulated_channel> {
public:
    using error_code = boost::system::error_code;
    enum class way : std::uint8_t { in, out };

    /// Something that the stream waits for.
    class operation {
    public:
        explicit operation(loop_core& core) noexcept;
        operation(const operation&) = delete;
        operation& operator=(const operation&) = delete;
        virtual ~operation() = default;
        /// Tries again; false if it has to wait on, which it must not once it is cancelled.
        [[nodiscard]] virtual bool run() = 0;
        bool is_cancelled = false;

    protected:
        /// Before the completion handler is called, which counts itself out, or destroyed.
        void count_again() noexcept;

    private:
        loop_core* core_;  ///< null once it counts again
    };

    explicit simulated_channel(loop& in);
    simulated_channel(const simulated_channel&) = delete;
    simulated_channel& operator=(const simulated_channel&) = delete;
    virtual ~simulated_channel();

    /// As a socket that does not block: what there is at once; `would_block`, or `eof` at the end.
    virtual std::size_t read_some(boost::asio::mutable_buffer to, error_code& error) = 0;
    virtual std::size_t write_some(boost::asio::const_buffer from, error_code& error) = 0;
    /// `read_some` or `write_some` would not say `would_block`.
    [[nodiscard]] virtual bool is_ready(way w) const noexcept = 0;
    /// Nothing more is written.
    virtual void end_writing() noexcept = 0;
    /// Nothing more is read.
    virtual void end_reading() noexcept = 0;
    virtual void close() noexcept = 0;

    // --- For the stream

    void start(way w, std::unique_ptr<operation> waiting);
    void cancel(operation& waiting) noexcept;
    void cancel_all() noexcept;
    [[nodiscard]] loop_core& core() const noexcept { return *core_; }

protected:
    /// `is_ready` may have become true.
    void notify(way w) noexcept;

private:
    class open_channels;
    struct waiting_operations {
        std::vector<std::unique_ptr<operation>> all;
        bool is_scheduled = false;
    };
    [[nodiscard]] waiting_operations& operations(way w) noexcept {
        return w == way::in ? reads_ : writes_;
    }
    void run(way w);

    loop_core* core_;
    open_channels* among_;  ///< null once the loop is gone
    waiting_operations reads_;
    waiting_operations writes_;
};

/// A stream over it. Throws `std::invalid_argument` for limits that make no sense.
[[nodiscard]] stream make_simulated_stream(std::shared_ptr<simulated_channel> channel,
                                           const stream_options& options, std::string remote,
                                           std::string local);

/// A server without a socket: whoever makes it brings the connections.
class simulated_acceptor {
public:
    /// Its handle, for the user, whose it is.
    [[nodiscard]] server open(loop& in, connection_handler handler, const server_options& options,
                              std::string name, std::uint16_t port, await_site where);
    /// False once it was closed.
    [[nodiscard]] bool is_open() const noexcept;
    /// Starts the handler's task.
    void accept(std::shared_ptr<simulated_channel> channel, std::string remote, std::string local);

private:
    std::weak_ptr<server_state> state_;
};

}  // namespace coroscope::detail
