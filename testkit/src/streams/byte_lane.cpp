// SPDX-License-Identifier: Apache-2.0
#include "byte_lane.hpp"

#include <boost/asio/error.hpp>

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace coroscope::testkit::detail {

using boost::system::error_code;
using way = coroscope::detail::simulated_channel::way;

byte_lane::byte_lane(std::size_t capacity) : capacity_(capacity) {
    if (capacity == 0) {
        throw std::invalid_argument("streams in memory need room for at least one byte");
    }
}

std::size_t byte_lane::write(std::string_view bytes, error_code& error) {
    if (failure_ || is_reader_gone_) {
        error = failure_ ? failure_ : error_code(boost::asio::error::broken_pipe);
        return 0;
    }
    const auto n = std::min(bytes.size(), capacity_ - occupied_);
    if (n == 0) {
        if (!bytes.empty()) { error = boost::asio::error::would_block; }
        return 0;
    }
    occupied_ += n;
    carry(bytes.substr(0, n));
    return n;
}

bool byte_lane::has_room() const noexcept {
    return failure_ || is_reader_gone_ || occupied_ < capacity_;
}

void byte_lane::end() noexcept {
    if (!std::exchange(is_ended_, true) && !failure_) { carry_end(); }
}

std::size_t byte_lane::read(boost::asio::mutable_buffer to, error_code& error) {
    if (failure_) {
        error = failure_;
    } else if (!arrived_.empty()) {
        const auto n = std::min(arrived_.size(), to.size());
        std::memcpy(to.data(), arrived_.data(), n);
        arrived_.erase(0, n);
        occupied_ -= n;
        if (writer != nullptr) { writer->changed(way::out); }
        return n;
    } else {
        error = has_end_ ? error_code(boost::asio::error::eof)
                         : error_code(boost::asio::error::would_block);
    }
    return 0;
}

bool byte_lane::has_something() const noexcept {
    return failure_ || !arrived_.empty() || has_end_;
}

void byte_lane::stop_reading() noexcept {
    is_reader_gone_ = true;
    drop_carried();
    if (writer != nullptr) { writer->changed(way::out); }
}

void byte_lane::fail(error_code error) noexcept {
    failure_ = error;
    drop_carried();
    if (writer != nullptr) { writer->changed(way::out); }
    if (reader != nullptr) { reader->changed(way::in); }
}

void byte_lane::arrive(std::string_view bytes) {
    if (is_reader_gone_) { return; }
    arrived_ += bytes;
    if (reader != nullptr) { reader->changed(way::in); }
}

void byte_lane::arrive_end() noexcept {
    has_end_ = true;
    if (reader != nullptr) { reader->changed(way::in); }
}

// --- Ends

memory_end::memory_end(loop& in, std::shared_ptr<byte_lane> incoming,
                       std::shared_ptr<byte_lane> outgoing)
    : simulated_channel(in),
      incoming_(std::move(incoming)),
      outgoing_(std::move(outgoing)) {
    incoming_->reader = this;
    outgoing_->writer = this;
}

memory_end::~memory_end() {
    incoming_->reader = nullptr;
    outgoing_->writer = nullptr;
}

std::size_t memory_end::read_some(boost::asio::mutable_buffer to, error_code& error) {
    if (is_reading_ended_) {
        error = boost::asio::error::eof;
        return 0;
    }
    return incoming_->read(to, error);
}

std::size_t memory_end::write_some(boost::asio::const_buffer from, error_code& error) {
    return outgoing_->write({static_cast<const char*>(from.data()), from.size()}, error);
}

bool memory_end::is_ready(way w) const noexcept {
    return w == way::in ? is_reading_ended_ || incoming_->has_something() : outgoing_->has_room();
}

void memory_end::end_writing() noexcept {
    outgoing_->end();
}

void memory_end::end_reading() noexcept {
    is_reading_ended_ = true;
    notify(way::in);
}

void memory_end::close() noexcept {
    outgoing_->end();
    incoming_->stop_reading();
}

}  // namespace coroscope::testkit::detail
