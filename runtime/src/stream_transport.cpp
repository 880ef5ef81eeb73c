// SPDX-License-Identifier: Apache-2.0
#include "stream_transport.hpp"

#include <coroscope/runtime/error.hpp>

#include "sited.hpp"

#include <boost/system/system_error.hpp>

#include <stdexcept>
#include <utility>

// How a transport lives: it begins, writes, and ends. How it reads is in transport_input.cpp.

namespace coroscope::detail {

using boost::system::error_code;
using boost::system::system_error;

stream_transport::stream_transport(loop_core& core, std::shared_ptr<stream_state> stream,
                                   std::shared_ptr<streaming_protocol> protocol, await_site where)
    : core_(core),
      stream_(std::move(stream)),
      created_at_(where),
      remote_(stream_->remote),
      local_(stream_->local) {
    stream_transport::set_protocol(std::move(protocol));
}

void stream_transport::start() {
    auto& in = *core_->self;
    open_transports::of(in).add(shared_from_this());
    stream_->listener = this;
    auto made = [self = shared_from_this()] {
        self->tell("protocol::connection_made failed",
                   [&](streaming_protocol& p) { p.connection_made(self); });
    };
    in.call_soon(std::move(made), created_at_);
    auto begin = [self = shared_from_this()] {
        self->begin();
    };
    in.call_soon(std::move(begin), created_at_);
}

void stream_transport::begin() {
    begun_.release();  // first, so that who waits goes on before anything is read
    has_begun_ = true;
    if (!is_open()) { return; }
    if (stream_->filter() != nullptr || !stream_->input.bytes().empty()) {
        schedule_read();
    } else {
        await_input();
    }
}

coro<> stream_transport::wait_until_begun(await_site where) {
    const auto self = shared_from_this();
    auto begun = begun_.add(core_.get(), wait_kind::io, where);
    co_await at(where, std::move(begun));
}

coro<> stream_transport::wait_until_lost(await_site where) {
    const auto self = shared_from_this();
    if (stream_ == nullptr) { co_return; }
    auto lost = lost_.add(core_.get(), wait_kind::io, where);
    co_await at(where, std::move(lost));
}

void stream_transport::set_protocol(std::shared_ptr<streaming_protocol> to) {
    if (to == nullptr) {
        throw std::invalid_argument("a transport was given a null protocol; it needs one to call");
    }
    if (stream_ == nullptr) { return; }  // nothing would ever let go of it
    plain_ = dynamic_cast<protocol*>(to.get());
    buffered_ = dynamic_cast<buffered_protocol*>(to.get());
    protocol_ = std::move(to);
}

std::shared_ptr<streaming_protocol> stream_transport::get_protocol() const noexcept {
    return protocol_;
}

// --- Writing

void stream_transport::write(std::string_view bytes) {
    if (core_->debug) { check_thread(core_.get(), "transport::write"); }
    if (!is_open()) { return; }
    expect_no_upgrade("write");
    stream_->write(bytes);
    update_writing();
}

void stream_transport::writelines(std::span<const std::string> parts) {
    std::string all;
    for (const auto& part : parts) {
        all += part;
    }
    write(all);
}

void stream_transport::write_eof() {
    if (!is_open()) { return; }
    expect_no_upgrade("write_eof");
    stream_->write_eof();
}

void stream_transport::expect_no_upgrade(const char* call) const {
    if (!is_upgrading_) { return; }
    throw invalid_state_error(std::string(call) + " on the transport " + description()
                              + " during start_tls; await that first");
}

bool stream_transport::can_write_eof() const noexcept {
    return stream_ != nullptr && stream_->channel.can_write();
}

void stream_transport::set_write_buffer_limits(std::optional<std::size_t> high,
                                               std::optional<std::size_t> low) {
    const auto limits = limits_from(high, low);
    if (stream_ == nullptr) { return; }
    stream_->set_water_marks(limits.high, limits.low);
    update_writing();
}

write_buffer_limits stream_transport::get_write_buffer_limits() const noexcept {
    write_buffer_limits limits;
    if (stream_ != nullptr) {
        limits.low = stream_->low_water();
        limits.high = stream_->high_water();
    }
    return limits;
}

std::size_t stream_transport::get_write_buffer_size() const noexcept {
    const bool has_dropped_it =
        stream_ == nullptr || stream_->where_in_life == stream_state::phase::closed;
    return has_dropped_it ? 0 : stream_->unsent();
}

void stream_transport::update_writing() noexcept {
    if (!is_open() || is_writing_paused_ || !stream_->is_paused()) { return; }
    is_writing_paused_ = true;
    tell("protocol::pause_writing failed", [](streaming_protocol& p) { p.pause_writing(); });
}

void stream_transport::on_drained() noexcept {
    if (!is_writing_paused_) { return; }
    soon([self = shared_from_this()] {
        // Something may have been written since, or the connection cut.
        if (self->stream_ == nullptr || self->is_cut_ || self->stream_->is_paused()) { return; }
        if (!std::exchange(self->is_writing_paused_, false)) { return; }
        self->tell("protocol::resume_writing failed",
                   [](streaming_protocol& p) { p.resume_writing(); });
    });
}

// --- Ending

bool stream_transport::is_open() const noexcept {
    return stream_ != nullptr && stream_->where_in_life == stream_state::phase::open;
}

bool stream_transport::is_closing() const noexcept {
    return !is_open();
}

void stream_transport::close() noexcept {
    if (stream_ != nullptr) { stream_->close(); }
}

void stream_transport::abort() noexcept {
    if (stream_ == nullptr || stream_->where_in_life == stream_state::phase::closed) { return; }
    is_cut_ = true;
    stream_->abort();
}

std::string stream_transport::description() const {
    return local_ == remote_ ? local_ : local_ + " to " + remote_;
}

int stream_transport::native_handle() const noexcept {
    return stream_ != nullptr ? stream_->channel.descriptor() : -1;
}

void stream_transport::lose(std::exception_ptr reason) noexcept {
    if (stream_ == nullptr || stream_->where_in_life == stream_state::phase::closed) { return; }
    if (reason_ == nullptr) { reason_ = std::move(reason); }
    abort();
}

void stream_transport::lose(const std::string& doing, const error_code& error) noexcept {
    lose(std::make_exception_ptr(system_error(error, doing + remote_)));
}

void stream_transport::on_failed(const error_code& error) noexcept {
    lose("writing to ", error);
}

void stream_transport::on_closed() noexcept {
    const auto& error = stream_->error();
    if (reason_ == nullptr && error && error != boost::asio::error::operation_aborted) {
        reason_ = std::make_exception_ptr(system_error(error, "closing " + description()));
    }
    soon([self = shared_from_this()] { self->end(); });
}

void stream_transport::end() noexcept {
    const auto self = shared_from_this();
    tell("protocol::connection_lost failed",
         [this](streaming_protocol& p) { p.connection_lost(reason_); });
    if (stream_ == nullptr) { return; }
    stream_->listener = nullptr;
    stream_.reset();
    protocol_.reset();
    open_transports::of(*core_->self).remove(*this);
    begun_.release();
    lost_.release();
}

void stream_transport::leave_loop() noexcept {
    const auto stream = std::exchange(stream_, nullptr);
    const auto protocol = std::exchange(protocol_, nullptr);
    if (stream == nullptr) { return; }
    report_left_open(*core_->self, shared_from_this());
    stream->listener = nullptr;
    stream->abort();
}

}  // namespace coroscope::detail
