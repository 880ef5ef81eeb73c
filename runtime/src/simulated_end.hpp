// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/detail/simulated_channel.hpp>

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/error.hpp>

#include <memory>
#include <utility>

namespace coroscope::detail {

/// A simulated channel with the operations of Asio's sockets, for `byte_channel`.
class simulated_end {
public:
    using error_code = boost::system::error_code;
    enum wait_type { wait_read, wait_error };

    explicit simulated_end(std::shared_ptr<simulated_channel> channel) noexcept
        : channel_(std::move(channel)) {}

    std::size_t read_some(boost::asio::mutable_buffer to, error_code& error) {
        return channel_->read_some(to, error);
    }
    std::size_t write_some(boost::asio::const_buffer from, error_code& error) {
        return channel_->write_some(from, error);
    }
    template <class Handler>
    void async_read_some(boost::asio::mutable_buffer to, Handler then) {
        const auto read = [to](simulated_channel& channel, error_code& error) {
            return channel.read_some(to, error);
        };
        start<Handler>(simulated_channel::way::in, read, std::move(then));
    }
    template <class Handler>
    void async_write_some(boost::asio::const_buffer from, Handler then) {
        const auto write = [from](simulated_channel& channel, error_code& error) {
            return channel.write_some(from, error);
        };
        start<Handler>(simulated_channel::way::out, write, std::move(then));
    }
    template <class Handler>
    void async_wait(wait_type, Handler then) {
        const auto look = [](simulated_channel& channel, error_code& error) {
            if (!channel.is_ready(simulated_channel::way::in)) {
                error = boost::asio::error::would_block;
            }
            return std::size_t{0};
        };
        auto without_size = [then = std::move(then)](const error_code& error, std::size_t) mutable {
            then(error);
        };
        start<decltype(without_size)>(simulated_channel::way::in, look, std::move(without_size));
    }

    [[nodiscard]] static bool is_open() noexcept { return false; }
    [[nodiscard]] static int native_handle() noexcept { return -1; }
    void end_writing() noexcept { channel_->end_writing(); }
    void end_reading() noexcept { channel_->end_reading(); }
    void cancel(error_code&) noexcept { channel_->cancel_all(); }
    void close(error_code&) noexcept {
        channel_->cancel_all();
        channel_->close();
    }

private:
    template <class Try, class Handler>
    class operation final : public simulated_channel::operation {
    public:
        operation(simulated_channel& channel, Try attempt, Handler then)
            : simulated_channel::operation(channel.core()),
              channel_(channel),
              attempt_(std::move(attempt)),
              then_(std::move(then)) {}
        operation(const operation&) = delete;
        operation& operator=(const operation&) = delete;
        ~operation() override { count_again(); }
        [[nodiscard]] bool run() override {
            error_code error = boost::asio::error::would_block;
            std::size_t n = 0;
            if (!is_cancelled) {
                error = {};
                n = attempt_(channel_, error);
                if (error == boost::asio::error::would_block) { return false; }
            } else {
                error = boost::asio::error::operation_aborted;
            }
            count_again();
            then_(error, n);
            return true;
        }
        [[nodiscard]] Handler& handler() noexcept { return then_; }

    private:
        simulated_channel& channel_;
        Try attempt_;
        Handler then_;
    };

    template <class Handler, class Try>
    void start(simulated_channel::way w, Try attempt, Handler then) {
        auto waiting =
            std::make_unique<operation<Try, Handler>>(*channel_, attempt, std::move(then));
        auto slot = boost::asio::get_associated_cancellation_slot(waiting->handler());
        if (slot.is_connected()) {
            slot.assign([channel = channel_.get(), op = waiting.get()](
                            boost::asio::cancellation_type) { channel->cancel(*op); });
        }
        channel_->start(w, std::move(waiting));
    }

    std::shared_ptr<simulated_channel> channel_;
};

}  // namespace coroscope::detail
