// SPDX-License-Identifier: Apache-2.0
#include "stream_transport.hpp"

#include <coroscope/runtime/error.hpp>

#include <boost/system/system_error.hpp>

#include <algorithm>
#include <stdexcept>
#include <utility>

// How a transport reads: it waits until there is something, then a callback of the loop takes it
// out of the kernel and gives it to the protocol. While reading is paused nothing is taken.

namespace coroscope::detail {

using boost::system::error_code;

namespace {

constexpr std::size_t fitting_size = std::size_t{64} * 1024;

}  // namespace

bool stream_transport::wants_input() const noexcept {
    return is_open() && has_begun_ && !is_paused_ && !is_upgrading_ && !is_input_at_end_
           && stream_->channel.can_read();
}

stream_transport::upgrade::upgrade(stream_transport& t)
    : transport_(t.shared_from_this()),
      stream_(t.stream_) {
    if (!t.is_open() || std::exchange(t.is_upgrading_, true)) {
        throw invalid_state_error("the transport " + t.description()
                                  + " cannot be upgraded: it is closed, or being upgraded");
    }
}

stream_transport::upgrade::~upgrade() {
    transport_->is_upgrading_ = false;
    if (transport_->wants_input()) { transport_->schedule_read(); }
}

bool stream_transport::is_reading() const noexcept {
    return is_open() && !is_paused_;
}

void stream_transport::pause_reading() noexcept {
    is_paused_ = true;
}

void stream_transport::resume_reading() {
    if (core_->debug) { check_thread(core_.get(), "transport::resume_reading"); }
    if (!std::exchange(is_paused_, false) || !wants_input()) { return; }
    schedule_read();
}

void stream_transport::await_input() {
    const bool is_wanted = wants_input() || (is_open() && !stream_->channel.can_read());
    if (!is_wanted || std::exchange(is_awaiting_input_, true)) { return; }
    ++core_->io_operations;
    auto arrived = [self = shared_from_this(), kept = stream_](const error_code&) {
        --self->core_->io_operations;
        self->is_awaiting_input_ = false;
        self->schedule_read();  // which tells what is wrong, if anything
    };
    stream_->channel.async_wait_input(std::move(arrived));
}

void stream_transport::schedule_read() noexcept {
    if (!is_open() || std::exchange(is_read_scheduled_, true)) { return; }
    soon([self = shared_from_this()] {
        self->is_read_scheduled_ = false;
        self->read();
    });
}

void stream_transport::read() {
    if (!is_open()) { return; }
    if (!stream_->channel.can_read()) {
        on_reader_gone();
    } else if (!wants_input()) {
        return;
    } else if (stream_->filter() != nullptr || !stream_->input.bytes().empty()) {
        read_decoded();
    } else {
        read_directly();
    }
}

void stream_transport::read_directly() {
    const auto room = room_for(fitting_size);
    if (room.empty()) { return; }
    error_code error;
    const auto stream = stream_;
    const auto n = stream->channel.read_some(boost::asio::buffer(room.data(), room.size()), error);
    if (!error) {
        deliver(room.first(n));
        await_input();
    } else {
        on_input(error);
    }
}

/// Through the filter, or what had arrived before there was a protocol.
void stream_transport::read_decoded() {
    const auto stream = stream_;
    error_code error;
    auto got = stream_filter::decoded::some;
    if (stream->input.bytes().empty()) { got = stream->decode_now(error); }
    if (got == stream_filter::decoded::some) {
        deliver_input();
        if (wants_input()) { schedule_read(); }
        return;
    }
    const bool is_end = got == stream_filter::decoded::end && !error;
    on_input(is_end ? error_code(boost::asio::error::eof) : error);
}

/// Nothing came.
void stream_transport::on_input(const error_code& error) {
    if (error == boost::asio::error::eof) {
        on_end_of_input();
    } else if (error && error != boost::asio::error::would_block
               && error != boost::asio::error::interrupted) {
        lose("reading from ", error);
    } else {
        await_input();
    }
}

void stream_transport::deliver_input() noexcept {
    const auto stream = stream_;
    while (wants_input() && !stream->input.bytes().empty()) {
        const auto bytes = stream->input.bytes();
        const auto room = room_for(bytes.size());
        const auto n = std::min(room.size(), bytes.size());
        std::copy_n(bytes.data(), n, room.data());
        stream->input.drop(n);
        if (room.empty() || !deliver(room.first(n))) { return; }
    }
}

/// Gives the protocol what is in the room that it, or the loop, has.
bool stream_transport::deliver(std::span<const char> bytes) noexcept {
    if (buffered_ != nullptr) {
        const auto n = bytes.size();
        return call("protocol::buffer_updated failed; its connection was closed",
                    [&](streaming_protocol&) { buffered_->buffer_updated(n); });
    }
    const std::string_view text(bytes.data(), bytes.size());
    return call("protocol::data_received failed; its connection was closed",
                [&](streaming_protocol&) { plain_->data_received(text); });
}

/// Empty where the protocol failed to give any.
std::span<char> stream_transport::room_for(std::size_t hint) noexcept {
    if (buffered_ == nullptr) { return open_transports::of(*core_->self).room(); }
    std::span<char> room;
    const auto ask = [&](streaming_protocol&) {
        room = buffered_->get_buffer(hint);
        if (room.empty()) {
            throw std::runtime_error("get_buffer gave an empty buffer, which nothing fits in");
        }
    };
    call("protocol::get_buffer failed; its connection was closed", ask);
    return room;
}

void stream_transport::on_end_of_input() noexcept {
    is_input_at_end_ = true;
    bool stays_open = false;
    const bool worked = call("protocol::eof_received failed; its connection was closed",
                             [&](streaming_protocol& p) { stays_open = p.eof_received(); });
    if (!worked || !is_open()) { return; }
    if (!stays_open || !stream_->channel.can_write()) { close(); }
}

/// Of a pipe that we write to.
void stream_transport::on_reader_gone() noexcept {
    if (!stream_->channel.is_reader_gone()) { return; }
    if (stream_->unsent() > 0) {
        lose("writing to ", boost::asio::error::broken_pipe);
    } else {
        close();
    }
}

}  // namespace coroscope::detail
