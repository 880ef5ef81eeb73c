// SPDX-License-Identifier: Apache-2.0
#include "stream_state.hpp"

#include <coroscope/runtime/asio.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>

#include "fork_safety.hpp"
#include "sited.hpp"

#include <algorithm>
#include <cstring>

namespace coroscope::detail {
namespace {

constexpr std::size_t smallest_input = std::size_t{4} * 1024;
constexpr std::size_t largest_input = std::size_t{64} * 1024;

}  // namespace

future<> waiting_tasks::add(loop_core& core, wait_kind kind, await_site where) {
    std::erase_if(futures_, [](const future<>& f) { return f.done(); });
    future<> f(new future_state<void>(core, kind, where));
    futures_.push_back(f);
    return f;
}

void waiting_tasks::release() noexcept {
    for (auto& f : std::exchange(futures_, {})) {
        if (!f.done()) { f.set_result(); }
    }
}

std::string input_buffer::take(std::size_t n) {
    std::string taken(bytes().substr(0, n));
    drop(taken.size());
    return taken;
}

void input_buffer::drop(std::size_t n) noexcept {
    begin_ += n;
    if (begin_ == end_) { begin_ = end_ = 0; }
}

boost::asio::mutable_buffer input_buffer::prepare() {
    if (begin_ > 0 && storage_.size() - end_ < smallest_input) {
        std::memmove(storage_.data(), storage_.data() + begin_, end_ - begin_);
        end_ -= std::exchange(begin_, 0);
    }
    if (storage_.size() - end_ < smallest_input) {
        storage_.resize(storage_.size()
                        + std::clamp(storage_.size(), smallest_input, largest_input));
    }
    return boost::asio::buffer(storage_.data() + end_, storage_.size() - end_);
}

void stream_state::check(const stream_options& options) {
    if (options.read_limit == 0) {
        throw std::invalid_argument("stream_options::read_limit is 0; it must be at least 1");
    }
    if (options.low_water.has_value() && *options.low_water > options.high_water) {
        throw std::invalid_argument(
            "stream_options::low_water is " + std::to_string(*options.low_water)
            + ", above the high_water of " + std::to_string(options.high_water));
    }
}

stream_state::stream_state(loop_core& owner, socket_type connected, const stream_options& settings)
    : core(owner),
      channel(std::move(connected)),
      options(settings),
      high_water_(settings.high_water),
      low_water_(settings.low_water.value_or(settings.high_water / 4)) {
    check(options);
    auto names = names_of(*channel.socket());
    remote = std::move(names.remote);
    local = std::move(names.local);
}

stream_state::stream_state(loop_core& owner, byte_channel::pipe_type end,
                           byte_channel::direction goes, const stream_options& settings)
    : core(owner),
      channel(std::move(end), goes),
      options(settings),
      remote("pipe " + std::to_string(channel.descriptor())),
      local(remote),
      high_water_(settings.high_water),
      low_water_(settings.low_water.value_or(settings.high_water / 4)) {
    check(options);
}

stream_state::stream_state(std::shared_ptr<simulated_channel> simulated,
                           const stream_options& settings, std::string remote_name,
                           std::string local_name)
    : core(simulated->core()),
      channel(std::move(simulated)),
      options(settings),
      remote(std::move(remote_name)),
      local(std::move(local_name)),
      high_water_(settings.high_water),
      low_water_(settings.low_water.value_or(settings.high_water / 4)) {
    check(options);
}

stream make_simulated_stream(std::shared_ptr<simulated_channel> channel,
                             const stream_options& options, std::string remote, std::string local) {
    return stream(std::make_shared<stream_state>(std::move(channel), options, std::move(remote),
                                                 std::move(local)));
}

coro<bool> stream_state::fill(await_site where) {
    return filter_ ? fill_decoded(where) : fill_plain(where);
}

coro<bool> stream_state::fill_plain(await_site where) {
    const auto self = shared_from_this();
    // Asio never completes a read that follows the end: the kernel tells of it only once.
    if (where_in_life != phase::open || at_end_) { co_return false; }
    if (!channel.can_read()) {
        throw invalid_state_error("reading from " + remote + ", which is the end to write to");
    }
    try {
        const auto n =
            co_await at(where, channel.async_read_some(input.prepare(), coroscope::use_coro));
        input.commit(n);
    } catch (const boost::system::system_error& e) {
        at_end_ = true;
        const bool closed_here = where_in_life != phase::open;
        if (e.code() == boost::asio::error::eof || closed_here) { co_return false; }
        throw boost::system::system_error(e.code(), "reading from " + remote);
    }
    co_return true;
}

void stream_state::note_end_read(await_site where) noexcept {
    if (++ends_read_ == 1) { return; }
    remark made;
    made.kind = remark_kind::end_again;
    made.what = "stream::read";
    made.text = remote;
    made.site = where;
    made.amount = ends_read_ - 1;
    make_remark(made);
}

void stream_state::write(std::string_view bytes) {
    if (!channel.can_write()) {
        throw invalid_state_error("write to " + remote + ", which is the end to read from");
    }
    if (where_in_life != phase::open || eof_written_) {
        throw invalid_state_error("write to the stream to " + remote
                                  + " after its close() or write_eof()");
    }
    if (error_ || bytes.empty()) { return; }
    if (!filter_) {
        put(bytes);
        return;
    }
    // In pieces, so that a large write is not in memory twice.
    while (!bytes.empty() && !error_) {
        const auto piece = bytes.substr(0, largest_input);
        bytes.remove_prefix(piece.size());
        boost::system::error_code error;
        filter_->encode(piece, error);
        send_output();
        if (error) { fail(error); }
    }
}

/// Gives the kernel what it takes at once and keeps the rest.
void stream_state::put(std::string_view wire) {
    if (!is_sending_) {
        boost::system::error_code error;
        const auto n = channel.write_some(boost::asio::buffer(wire.data(), wire.size()), error);
        if (error && error != boost::asio::error::would_block
            && error != boost::asio::error::interrupted) {
            fail(error);
            return;
        }
        wire.remove_prefix(n);
        if (wire.empty()) { return; }
    }
    queued_.append(wire);
    if (unsent() > high_water_) { is_paused_ = true; }
    if (!is_sending_) { send(); }
}

/// Sends in the background: a plain handler, since no task may have to live for it.
void stream_state::send() {
    if (sent_ == sending_.size()) {
        sending_.clear();
        sent_ = 0;
        std::swap(sending_, queued_);
    }
    is_sending_ = true;
    ++core->io_operations;
    const auto rest = boost::asio::buffer(sending_.data() + sent_, sending_.size() - sent_);
    channel.async_write_some(
        rest, [self = shared_from_this()](const boost::system::error_code& error, std::size_t n) {
            --self->core->io_operations;
            self->is_sending_ = false;
            self->on_sent(error, n);
        });
}

void stream_state::on_sent(const boost::system::error_code& error, std::size_t n) {
    if (where_in_life == phase::closed) { return; }
    // Closing cancels a reader's operation, and with it this one, which had done nothing yet.
    const bool was_cancelled = filter_ && error == boost::asio::error::operation_aborted;
    if (error && !was_cancelled) {
        fail(error);
        return;
    }
    sent_ += n;
    if (unsent() <= low_water_) {
        release_drained();
        if (listener != nullptr) { listener->on_drained(); }
    }
    if (unsent() > 0) {
        send();
    } else {
        on_all_sent();
    }
}

void stream_state::on_all_sent() noexcept {
    if (filter_) {
        end_if_exchanged();
    } else if (where_in_life == phase::closing) {
        close_socket();
    } else if (eof_written_ && channel.end_writing()) {
        close_socket();
    }
}

void stream_state::write_eof() {
    if (where_in_life != phase::open || std::exchange(eof_written_, true)) { return; }
    if (filter_) {
        announce_end();
    } else if (unsent() == 0) {
        on_all_sent();
    }
}

void stream_state::fail(const boost::system::error_code& error) noexcept {
    error_ = error;
    queued_.clear();
    sending_.clear();
    sent_ = 0;
    release_drained();
    if (listener != nullptr) { listener->on_failed(error); }
    if (where_in_life == phase::closing) { close_socket(); }
}

void stream_state::set_water_marks(std::size_t high, std::size_t low) noexcept {
    high_water_ = high;
    low_water_ = low;
    if (unsent() > high_water_) { is_paused_ = true; }
}

void stream_state::throw_if_failed() const {
    if (error_) { throw boost::system::system_error(error_, "writing to " + remote); }
}

void stream_state::close() noexcept {
    if (where_in_life != phase::open) { return; }
    if (core->is_copy) {  // the other process has the connection
        close_socket();
        return;
    }
    where_in_life = phase::closing;
    if (filter_) {
        try {
            begin_exchange_of_ends();
        } catch (...) {  // no memory, or the loop is closed
            close_socket();
        }
        return;
    }
    if (unsent() == 0) {
        close_socket();
        return;
    }
    // A reader learns of it at once; the socket stays open until all is sent.
    channel.end_reading();
}

void stream_state::abort() noexcept {
    if (where_in_life == phase::closed) { return; }
    if (unsent() > 0) { error_ = boost::asio::error::operation_aborted; }
    close_socket();
}

void stream_state::close_socket() noexcept {
    where_in_life = phase::closed;
    leave_parent(core.get());
    channel.close();
    end_timer_.cancel();
    release_drained();
    closed.release();
    if (listener != nullptr) { listener->on_closed(); }
}

void stream_state::release_drained() noexcept {
    is_paused_ = false;
    drained.release();
}

reading_turn::reading_turn(stream_state& state) : state_(state) {
    if (state.has_reader) {
        throw invalid_state_error("two tasks read from " + state.remote
                                  + " at the same time; let one read and pass on what it got");
    }
    state.has_reader = true;
}

}  // namespace coroscope::detail
