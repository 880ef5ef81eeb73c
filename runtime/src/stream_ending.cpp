// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/asio.hpp>
#include <coroscope/runtime/loop.hpp>

#include "sited.hpp"
#include "stream_state.hpp"

#include <utility>

// Streams with a filter: how they receive, and how they end.
//
// A filter's end is an exchange: each side announces its own and waits for the other's, so that a
// connection that was cut can be told from one that has ended. What else still arrives is dropped,
// since the other side could not finish sending otherwise.

namespace coroscope::detail {
namespace {

constexpr std::size_t wire_buffer_size = std::size_t{32} * 1024;

}  // namespace

/// Marks that a task receives. A stream that is closed meanwhile goes on from where the task leaves
/// off, since what has arrived must reach the filter in order.
class stream_state::receiving_turn {
public:
    explicit receiving_turn(stream_state& state) : state_(state) { state_.is_receiving_ = true; }
    receiving_turn(const receiving_turn&) = delete;
    receiving_turn& operator=(const receiving_turn&) = delete;
    ~receiving_turn() {
        state_.is_receiving_ = false;
        if (state_.where_in_life != phase::closing) { return; }
        try {
            state_.receive_rest();
        } catch (...) { state_.close_socket(); }
    }

private:
    stream_state& state_;
};

void stream_state::set_filter(std::unique_ptr<stream_filter> filter) {
    wire_.resize(wire_buffer_size);
    filter->receive(input.bytes());
    input.drop(input.bytes().size());
    filter_ = std::move(filter);
}

void stream_state::send_output() {
    const auto output = filter_->output();
    if (!output.empty() && !error_ && where_in_life != phase::closed) { put(output); }
    filter_->drop_output();
}

coro<boost::system::error_code> stream_state::receive(await_site where) {
    const auto self = shared_from_this();
    const receiving_turn turn(*this);
    try {
        const auto n =
            co_await at(where, channel.async_read_some(boost::asio::buffer(wire_), use_coro));
        filter_->receive({wire_.data(), n});
    } catch (const boost::system::system_error& e) {
        if (e.code() != boost::asio::error::eof) { co_return e.code(); }
        at_end_ = true;
        co_return filter_->end_of_wire();
    }
    co_return boost::system::error_code();
}

stream_filter::decoded stream_state::decode_now(boost::system::error_code& error) {
    auto got = at_end_ ? stream_filter::decoded::end : filter_->decode(input, error);
    if (got == stream_filter::decoded::nothing && !error) {
        const auto n = channel.read_some(boost::asio::buffer(wire_), error);
        if (error == boost::asio::error::eof) {
            error = filter_->end_of_wire();
            got = stream_filter::decoded::end;
        } else if (!error) {
            filter_->receive({wire_.data(), n});
            got = filter_->decode(input, error);
        }
    }
    if (got == stream_filter::decoded::end) { at_end_ = true; }
    send_output();
    return got;
}

coro<bool> stream_state::fill_decoded(await_site where) {
    const auto self = shared_from_this();
    while (where_in_life == phase::open) {
        boost::system::error_code error;
        const auto got = at_end_ ? stream_filter::decoded::end : filter_->decode(input, error);
        send_output();
        if (got == stream_filter::decoded::some) { co_return true; }
        if (got == stream_filter::decoded::end) { at_end_ = true; }
        if (at_end_) { co_return false; }
        if (!error) { error = co_await receive(where); }
        if (error && where_in_life == phase::open) {
            at_end_ = true;
            throw boost::system::system_error(error, "reading from " + remote);
        }
    }
    co_return false;
}

void stream_state::announce_end() {
    if (std::exchange(end_announced_, true) || error_) { return; }
    filter_->encode_end();
    send_output();
}

void stream_state::begin_exchange_of_ends() {
    if (error_ || core->self == nullptr || core->self->is_closed()) {
        close_socket();
        return;
    }
    announce_end();
    if (where_in_life == phase::closed) { return; }  // sending failed
    auto give_up = [kept = shared_from_this()]() mutable {
        const auto self = std::move(kept);
        self->end_timer_ = {};
        self->error_ = boost::asio::error::timed_out;
        self->close_socket();
    };
    end_timer_ = core->self->call_later(filter_->shutdown_timeout, std::move(give_up));
    if (is_receiving_) {
        channel.cancel();
    } else {
        receive_rest();
    }
}

void stream_state::receive_rest() {
    if (core->self == nullptr || core->self->is_closed()) {
        close_socket();
        return;
    }
    boost::system::error_code broken;
    auto got = stream_filter::decoded::some;
    while (got == stream_filter::decoded::some) {
        got = filter_->decode(input, broken);
        input.drop(input.bytes().size());
    }
    if (broken || got == stream_filter::decoded::end) { at_end_ = true; }
    send_output();
    if (at_end_) {
        end_if_exchanged();
        return;
    }
    ++core->io_operations;
    channel.async_read_some(
        boost::asio::buffer(wire_),
        [self = shared_from_this()](const boost::system::error_code& error, std::size_t n) {
            --self->core->io_operations;
            self->on_rest(error, n);
        });
}

/// An end without notice is as good as one with it now: there is nothing left to be told.
void stream_state::on_rest(const boost::system::error_code& error, std::size_t n) {
    if (where_in_life == phase::closed) { return; }
    if (error) {
        at_end_ = true;
        end_if_exchanged();
        return;
    }
    filter_->receive({wire_.data(), n});
    receive_rest();
}

void stream_state::end_if_exchanged() noexcept {
    if (where_in_life == phase::closing && at_end_ && unsent() == 0 && !is_receiving_) {
        close_socket();
    }
}

}  // namespace coroscope::detail
