// SPDX-License-Identifier: Apache-2.0
#include "stream_state.hpp"

#include <coroscope/runtime/asio.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>

#include "sited.hpp"

#include <algorithm>
#include <cstring>

namespace coroscope::detail {
namespace {

constexpr std::size_t smallest_input = std::size_t{4} * 1024;
constexpr std::size_t largest_input = std::size_t{64} * 1024;

std::string text_or_unknown(const boost::system::error_code& error,
                            const stream_state::tcp::endpoint& endpoint) {
    return error ? "(not connected)" : to_text(endpoint);
}

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

stream_state::stream_state(loop_core& owner, tcp::socket connected, const stream_options& settings)
    : core(owner),
      socket(std::move(connected)),
      options(settings) {
    boost::system::error_code error;
    // Best effort: the other side may be gone already, which the first read or drain will tell.
    socket.set_option(tcp::no_delay(true), error);
    socket.non_blocking(true, error);
    const auto peer = socket.remote_endpoint(error);
    remote = text_or_unknown(error, peer);
    const auto here = socket.local_endpoint(error);
    local = text_or_unknown(error, here);
}

coro<bool> stream_state::fill(await_site where) {
    const auto self = shared_from_this();
    // Asio never completes a read that follows the end: the kernel tells of it only once.
    if (where_in_life != phase::open || at_end_) { co_return false; }
    try {
        const auto n =
            co_await at(where, socket.async_read_some(input.prepare(), coroscope::use_coro));
        input.commit(n);
    } catch (const boost::system::system_error& e) {
        at_end_ = true;
        const bool closed_here = where_in_life != phase::open;
        if (e.code() == boost::asio::error::eof || closed_here) { co_return false; }
        throw boost::system::system_error(e.code(), "reading from " + remote);
    }
    co_return true;
}

void stream_state::write(std::string_view bytes) {
    if (where_in_life != phase::open || eof_written_) {
        throw invalid_state_error("write to the stream to " + remote
                                  + " after its close() or write_eof()");
    }
    if (error_ || bytes.empty()) { return; }
    if (!is_sending_) {
        boost::system::error_code error;
        const auto n = socket.write_some(boost::asio::buffer(bytes.data(), bytes.size()), error);
        if (error && error != boost::asio::error::would_block
            && error != boost::asio::error::interrupted) {
            fail(error);
            return;
        }
        bytes.remove_prefix(n);
        if (bytes.empty()) { return; }
    }
    queued_.append(bytes);
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
    socket.async_write_some(
        rest, [self = shared_from_this()](const boost::system::error_code& error, std::size_t n) {
            --self->core->io_operations;
            self->is_sending_ = false;
            self->on_sent(error, n);
        });
}

void stream_state::on_sent(const boost::system::error_code& error, std::size_t n) {
    if (where_in_life == phase::closed) { return; }
    if (error) {
        fail(error);
        return;
    }
    sent_ += n;
    if (unsent() <= options.low_water) { drained.release(); }
    if (unsent() > 0) {
        send();
    } else {
        on_all_sent();
    }
}

void stream_state::on_all_sent() noexcept {
    if (where_in_life == phase::closing) {
        close_socket();
    } else if (eof_written_) {
        boost::system::error_code error;
        socket.shutdown(tcp::socket::shutdown_send, error);
    }
}

void stream_state::write_eof() {
    if (where_in_life != phase::open || std::exchange(eof_written_, true)) { return; }
    if (unsent() == 0) { on_all_sent(); }
}

void stream_state::fail(const boost::system::error_code& error) noexcept {
    error_ = error;
    queued_.clear();
    sending_.clear();
    sent_ = 0;
    drained.release();
    if (where_in_life == phase::closing) { close_socket(); }
}

void stream_state::throw_if_failed() const {
    if (error_) { throw boost::system::system_error(error_, "writing to " + remote); }
}

void stream_state::close() noexcept {
    if (where_in_life != phase::open) { return; }
    where_in_life = phase::closing;
    if (unsent() == 0) {
        close_socket();
        return;
    }
    // A reader learns of it at once; the socket stays open until all is sent.
    boost::system::error_code error;
    socket.shutdown(tcp::socket::shutdown_receive, error);
}

void stream_state::abort() noexcept {
    if (where_in_life == phase::closed) { return; }
    if (unsent() > 0) { error_ = boost::asio::error::operation_aborted; }
    close_socket();
}

void stream_state::close_socket() noexcept {
    where_in_life = phase::closed;
    boost::system::error_code error;
    socket.close(error);
    drained.release();
    closed.release();
}

reading_turn::reading_turn(stream_state& state) : state_(state) {
    if (state.has_reader) {
        throw invalid_state_error("two tasks read from the stream to " + state.remote
                                  + " at the same time; let one read and pass on what it got");
    }
    state.has_reader = true;
}

}  // namespace coroscope::detail
