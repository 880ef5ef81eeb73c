// SPDX-License-Identifier: Apache-2.0
#include "scripted_channel.hpp"

#include <coroscope/testkit/assertion_error.hpp>
#include <coroscope/testkit/detail/shown_value.hpp>

#include <coroscope/runtime/error.hpp>

#include <boost/asio/error.hpp>

#include <algorithm>
#include <cstring>
#include <utility>

namespace coroscope::testkit::detail {

using boost::system::error_code;
using kind = script_step::kind;

scripted_channel::scripted_channel(loop& in, std::string name, std::uint64_t seed)
    : simulated_channel(in),
      loop_(in),
      name_(std::move(name)),
      random_(seed) {}

scripted_channel::~scripted_channel() {
    timer_.cancel();
}

void scripted_channel::add(script_step step) {
    steps_.push_back(std::move(step));
    if (is_open_) { go_on(); }
}

void scripted_channel::open() {
    if (is_open_) {
        throw invalid_state_error("mock stream '" + name_
                                  + "' was opened twice; make one for each connection");
    }
    is_open_ = true;
    go_on();
}

std::size_t scripted_channel::random_size(std::size_t most) {
    return std::uniform_int_distribution<std::size_t>(1, most)(random_);
}

// --- The script's side

/// Does what can be done now.
void scripted_channel::go_on() {
    if (core().self == nullptr || core().self->is_closed()) { return; }
    if (std::exchange(is_advancing_, true)) { return; }  // what a step does leads here again
    while (!is_over() && !is_broken_ && !failure_ && perform(steps_[next_])) {
        ++next_;
    }
    is_advancing_ = false;
    if (taken_ < written_.size() && !expects_more_writing()) {
        break_test("unexpected write of " + quoted(std::string_view(written_).substr(taken_)));
    }
    notify(way::in);
}

bool scripted_channel::perform(const script_step& step) {
    switch (step.what) {
    case kind::expects_write:
        take_written(step);
        if (matched_ < step.bytes.size()) { return false; }
        matched_ = 0;
        return true;
    case kind::expects_eof: return is_write_ended_ || is_closed_;
    case kind::expects_close: return is_closed_;
    case kind::gives: give(step); return true;
    case kind::waits:
        if (pause_ == pause::none) { begin_pause(step.length); }
        return std::exchange(pause_, pause_ == pause::over ? pause::none : pause_) == pause::over;
    case kind::is_silent: return false;
    case kind::fails: disconnect(step.error); return true;
    case kind::ends: has_ended_ = true; return true;
    }
    return false;
}

void scripted_channel::begin_pause(duration length) {
    pause_ = pause::now;
    timer_ = loop_.call_later(length, [this] {
        pause_ = pause::over;
        go_on();
    });
}

void scripted_channel::give(const script_step& step) {
    std::string_view rest = step.bytes;
    for (std::size_t i = 0; !rest.empty(); ++i) {
        const auto size =
            step.sizes.empty() ? rest.size() : step.sizes[std::min(i, step.sizes.size() - 1)];
        sent_.push_back({std::string(rest.substr(0, size)), next_});
        rest.remove_prefix(std::min(size, rest.size()));
    }
}

void scripted_channel::take_written(const script_step& step) {
    const auto came = std::string_view(written_).substr(taken_);
    const auto wanted = std::string_view(step.bytes).substr(matched_);
    const auto n = std::min(came.size(), wanted.size());
    const auto same =
        std::ranges::mismatch(came.substr(0, n), wanted.substr(0, n)).in1 - came.begin();
    taken_ += static_cast<std::size_t>(same);
    matched_ += static_cast<std::size_t>(same);
    if (static_cast<std::size_t>(same) < n) {
        break_test("wrong write: " + quoted(came.substr(static_cast<std::size_t>(same)))
                   + (matched_ > 0 ? " after " + quoted(step.bytes.substr(0, matched_)) : ""));
    }
}

bool scripted_channel::expects_more_writing() const noexcept {
    return std::any_of(steps_.begin() + static_cast<std::ptrdiff_t>(next_), steps_.end(),
                       [](const auto& step) { return step.what == kind::expects_write; });
}

void scripted_channel::disconnect(error_code error) noexcept {
    failure_ = error;
    timer_.cancel();
    notify(way::in);
    notify(way::out);
}

// --- The stream's side

error_code scripted_channel::count_operation() {
    const auto planned = planned_failures_.find(++operations_);
    if (planned != planned_failures_.end()) {
        sent_.clear();
        disconnect(planned->second);
        return planned->second;
    }
    return {};
}

std::size_t scripted_channel::read_some(boost::asio::mutable_buffer to, error_code& error) {
    if (!is_ready(way::in)) {
        error = boost::asio::error::would_block;
        return 0;
    }
    if (is_read_ended_) {
        error = boost::asio::error::eof;
        return 0;
    }
    error = is_broken_ ? failure_ : count_operation();
    if (error) { return 0; }
    if (!sent_.empty()) {
        auto& first = sent_.front().bytes;
        const auto n = std::min(first.size(), to.size());
        std::memcpy(to.data(), first.data(), n);
        first.erase(0, n);
        if (first.empty()) { sent_.pop_front(); }
        return n;
    }
    if (failure_) {
        error = failure_;
    } else if (has_ended_) {
        error = boost::asio::error::eof;
    } else {
        break_test("unexpected read: nothing was sent, and nothing will be");
        error = failure_;
    }
    return 0;
}

bool scripted_channel::is_ready(way w) const noexcept {
    return w == way::out || !sent_.empty() || failure_ || has_ended_ || is_read_ended_ || is_over();
}

std::size_t scripted_channel::write_some(boost::asio::const_buffer from, error_code& error) {
    error = failure_ ? failure_ : count_operation();
    if (error) { return 0; }
    const std::string_view bytes(static_cast<const char*>(from.data()), from.size());
    written_ += bytes;
    go_on();
    error = is_broken_ ? failure_ : error_code();
    return bytes.size();
}

void scripted_channel::end_writing() noexcept {
    is_write_ended_ = true;
    go_on();
}

void scripted_channel::end_reading() noexcept {
    is_read_ended_ = true;
    notify(way::in);
}

void scripted_channel::close() noexcept {
    is_closed_ = true;
    go_on();
}

// --- What it says

std::string scripted_channel::text_of(std::size_t number) const {
    const auto& step = steps_[number];
    std::string what;
    switch (step.what) {
    case kind::expects_write:
        what = "expects_write " + quoted(step.bytes);
        if (number == next_ && matched_ > 0) {
            what += ", of which " + std::to_string(matched_) + " bytes have come";
        }
        break;
    case kind::expects_eof: what = "expects_eof"; break;
    case kind::expects_close: what = "expects_close"; break;
    case kind::gives: what = "gives " + quoted(step.bytes); break;
    case kind::waits: what = "waits " + shown_duration(step.length); break;
    case kind::is_silent: what = "is_silent"; break;
    case kind::fails: what = "fails: " + step.error.message(); break;
    case kind::ends: what = "ends"; break;
    }
    return "step " + std::to_string(number + 1) + " (" + to_string(step.where) + "): " + what;
}

std::string scripted_channel::where_it_stands() const {
    if (!is_over()) { return "the script is at " + text_of(next_); }
    if (steps_.empty()) { return "the script is empty"; }
    return "the script is at its end, after " + text_of(steps_.size() - 1);
}

void scripted_channel::break_test(const std::string& what) noexcept {
    if (std::exchange(is_broken_, true)) { return; }
    const auto number = is_over() ? steps_.size() : next_ + 1;
    fail_test("mock stream '" + name_ + "': " + what + "\n    " + where_it_stands(),
              number > 0 ? steps_[number - 1].where : await_site());
    disconnect(boost::asio::error::connection_aborted);
}

std::string scripted_channel::unfinished() const {
    if (failure_) { return {}; }
    if (!sent_.empty()) {
        std::size_t bytes = 0;
        for (const auto& each : sent_) {
            bytes += each.bytes.size();
        }
        return std::to_string(bytes) + " bytes were sent and never read, beginning with "
               + quoted(sent_.front().bytes) + " of " + text_of(sent_.front().step);
    }
    const bool has_more = !is_over() && steps_[next_].what != kind::is_silent;
    return has_more ? "the script is not finished: it is at " + text_of(next_) : "";
}

await_site scripted_channel::left_at() const noexcept {
    return steps_[sent_.empty() ? next_ : sent_.front().step].where;
}

std::string scripted_channel::stuck_note() const {
    return is_open_ && !is_over() && !is_broken_
               ? "mock stream '" + name_ + "' is at " + text_of(next_)
               : "";
}

}  // namespace coroscope::testkit::detail
