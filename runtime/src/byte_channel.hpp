// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "simulated_end.hpp"

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <cstddef>
#include <memory>
#include <utility>
#include <variant>

namespace coroscope::detail {

/// What the bytes of a stream go through: a connected socket, one end of a pipe, or what a test has
/// in its place. Does not block; its operations are those of Asio's objects.
class byte_channel {
public:
    using socket_type = boost::asio::generic::stream_protocol::socket;
    using pipe_type = boost::asio::posix::stream_descriptor;
    using error_code = boost::system::error_code;
    enum class direction : std::uint8_t { both, in, out };

    explicit byte_channel(socket_type connected);
    byte_channel(pipe_type end, direction goes);
    explicit byte_channel(std::shared_ptr<simulated_channel> simulated);
    byte_channel(const byte_channel&) = delete;
    byte_channel& operator=(const byte_channel&) = delete;
    ~byte_channel() = default;

    [[nodiscard]] bool can_read() const noexcept { return direction_ != direction::out; }
    [[nodiscard]] bool can_write() const noexcept { return direction_ != direction::in; }
    /// Null for anything else.
    [[nodiscard]] socket_type* socket() noexcept { return std::get_if<socket_type>(&channel_); }
    /// -1 once it is closed.
    [[nodiscard]] int descriptor() noexcept;

    template <class Token>
    [[nodiscard]] auto async_read_some(boost::asio::mutable_buffer to, Token&& token) {
        auto start = [this](auto handler, boost::asio::mutable_buffer room) {
            const auto read = [&](auto& c) {
                c.async_read_some(room, std::move(handler));
            };
            std::visit(read, channel_);
        };
        return boost::asio::async_initiate<Token, void(error_code, std::size_t)>(std::move(start),
                                                                                 token, to);
    }
    /// `then(error, n)`; what it holds must keep the channel.
    template <class Handler>
    void async_write_some(boost::asio::const_buffer from, Handler then) {
        if (auto* s = socket()) {
            s->async_write_some(from, std::move(then));
            return;
        }
        if (auto* s = std::get_if<simulated_end>(&channel_)) {
            s->async_write_some(from, std::move(then));
            return;
        }
        auto write = [this, from, then = std::move(then)](error_code error) mutable {
            const auto n = error ? 0 : write_some(from, error);
            if (error == boost::asio::error::would_block) { error = {}; }
            then(error, n);
        };
        std::get<pipe_type>(channel_).async_wait(pipe_type::wait_write, std::move(write));
    }
    /// Until something has arrived, or the other side is gone.
    template <class Token>
    auto async_wait_input(Token&& token) {
        auto start = [this](auto handler) {
            const bool reads = can_read();
            const auto wait = [&](auto& c) {
                using waits = std::decay_t<decltype(c)>;
                c.async_wait(reads ? waits::wait_read : waits::wait_error, std::move(handler));
            };
            std::visit(wait, channel_);
        };
        return boost::asio::async_initiate<Token, void(error_code)>(std::move(start), token);
    }
    /// Of the end to write to: nobody has the other one.
    [[nodiscard]] bool is_reader_gone() noexcept;

    // At once, as much as the kernel takes or has.
    std::size_t read_some(boost::asio::mutable_buffer to, error_code& error);
    std::size_t write_some(boost::asio::const_buffer from, error_code& error);

    /// Nothing more is written. A pipe is closed by that: true.
    bool end_writing() noexcept;
    void end_reading() noexcept;
    void cancel() noexcept;
    void close() noexcept;

private:
    std::variant<socket_type, pipe_type, simulated_end> channel_;
    direction direction_;
};

}  // namespace coroscope::detail
