// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/descriptors.hpp>
#include <coroscope/runtime/stream.hpp>

#include "stream_state.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/system/error_code.hpp>

#include <memory>
#include <string>
#include <string_view>

// Our ends of the pipes to a child: pipes and not sockets, since programs that open /dev/stdout or
// /dev/stdin anew fail on sockets.

namespace coroscope::detail {

/// The end that is read; a source of bytes as `stream_reading.hpp` wants it.
class reading_pipe : public std::enable_shared_from_this<reading_pipe> {
public:
    /// Takes the descriptor over. `name` is what messages call it.
    reading_pipe(loop& in, file_descriptor end, const stream_options& limits, std::string name);

    /// Waits for more input; false at the end.
    [[nodiscard]] coro<bool> fill(await_site where);
    void close() noexcept;

    core_reference core;
    const stream_options options;
    const std::string remote;
    input_buffer input;
    bool has_reader = false;

private:
    boost::asio::posix::stream_descriptor descriptor_;
    bool at_end_ = false;
    bool is_closed_ = false;
};

/// The end that is written to.
class writing_pipe : public std::enable_shared_from_this<writing_pipe> {
public:
    writing_pipe(loop& in, file_descriptor end, const stream_options& limits, std::string name);

    void write(std::string_view bytes);
    [[nodiscard]] static coro<> drain(std::shared_ptr<writing_pipe> p, await_site where);
    [[nodiscard]] static coro<> wait_closed(std::shared_ptr<writing_pipe> p, await_site where);
    /// Closes it once all is sent.
    void close() noexcept;
    /// Closes it at once.
    void abort() noexcept;
    [[nodiscard]] std::size_t unsent() const noexcept { return queued_.size() - sent_; }
    [[nodiscard]] bool is_closing() const noexcept { return phase_ != phase::open; }

private:
    enum class phase : std::uint8_t { open, closing, closed };

    void send();
    void on_writable(const boost::system::error_code& error);
    void fail(const boost::system::error_code& error) noexcept;
    void close_descriptor() noexcept;
    void throw_if_failed() const;

    core_reference core_;
    const stream_options options_;
    const std::size_t low_water_;
    const std::string name_;
    boost::asio::posix::stream_descriptor descriptor_;
    std::string queued_;
    std::size_t sent_ = 0;
    waiting_tasks drained_;
    waiting_tasks closed_;
    boost::system::error_code error_;
    phase phase_ = phase::open;
    bool is_waiting_ = false;  ///< until the pipe has room
    bool is_paused_ = false;
};

}  // namespace coroscope::detail
