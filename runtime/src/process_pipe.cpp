// SPDX-License-Identifier: Apache-2.0
#include "process_pipe.hpp"

#include <coroscope/runtime/asio.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "fork_safety.hpp"
#include "sited.hpp"

#include <boost/asio/io_context.hpp>

#include <csignal>
#include <ctime>
#include <utility>

#include <unistd.h>

namespace coroscope::detail {
namespace {

using boost::system::error_code;

/// `write` without SIGPIPE: a pipe that nobody reads is an error of this call, not the end of the
/// program. What was pending before stays so. Returns how much was written.
std::size_t write_quietly(int descriptor, std::string_view bytes, error_code& error) {
    sigset_t broken_pipe;
    sigset_t before;
    sigset_t pending;
    sigemptyset(&broken_pipe);
    sigemptyset(&pending);
    sigaddset(&broken_pipe, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &broken_pipe, &before);
    if (sigismember(&before, SIGPIPE) == 1) { ::sigpending(&pending); }
    const auto written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0) {
        error = error_code(errno, boost::system::system_category());
        const timespec at_once = {};
        if (error == boost::asio::error::broken_pipe && sigismember(&pending, SIGPIPE) != 1) {
            ::sigtimedwait(&broken_pipe, nullptr, &at_once);
        }
    }
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return written > 0 ? static_cast<std::size_t>(written) : 0;
}

}  // namespace

reading_pipe::reading_pipe(loop& in, file_descriptor end, const stream_options& limits,
                           std::string name)
    : core(in.core()),
      options(limits),
      remote(std::move(name)),
      descriptor_(in.io_context(), end.get()) {
    static_cast<void>(end.release());
}

coro<bool> reading_pipe::fill(await_site where) {
    const auto self = shared_from_this();
    if (at_end_ || is_closed_) { co_return false; }
    try {
        const auto n = co_await at(where, descriptor_.async_read_some(input.prepare(), use_coro));
        input.commit(n);
    } catch (const boost::system::system_error& e) {
        at_end_ = true;
        if (e.code() == boost::asio::error::eof || is_closed_) { co_return false; }
        throw boost::system::system_error(e.code(), "reading from " + remote);
    }
    co_return true;
}

void reading_pipe::close() noexcept {
    is_closed_ = true;
    leave_parent(core.get());
    error_code ignored;
    descriptor_.close(ignored);
}

writing_pipe::writing_pipe(loop& in, file_descriptor end, const stream_options& limits,
                           std::string name)
    : core_(in.core()),
      options_(limits),
      low_water_(limits.low_water.value_or(limits.high_water / 4)),
      name_(std::move(name)),
      descriptor_(in.io_context(), end.get()) {
    static_cast<void>(end.release());
    descriptor_.native_non_blocking(true);
}

void writing_pipe::write(std::string_view bytes) {
    if (phase_ != phase::open) {
        throw invalid_state_error("write to " + name_ + " after its close()");
    }
    if (error_ || bytes.empty()) { return; }
    queued_.append(bytes);
    if (!is_waiting_) { send(); }
    if (unsent() > options_.high_water) { is_paused_ = true; }
}

/// Gives the kernel what it takes, and waits in the background until it takes more.
void writing_pipe::send() {
    while (unsent() > 0) {
        error_code error;
        const auto rest = std::string_view(queued_).substr(sent_);
        sent_ += write_quietly(descriptor_.native_handle(), rest, error);
        if (error == boost::asio::error::would_block) { break; }
        if (error && error != boost::asio::error::interrupted) {
            fail(error);
            return;
        }
    }
    if (sent_ > queued_.size() / 2) { queued_.erase(0, std::exchange(sent_, 0)); }
    if (unsent() <= low_water_) {
        is_paused_ = false;
        drained_.release();
    }
    if (unsent() == 0) {
        if (phase_ == phase::closing) { close_descriptor(); }
        return;
    }
    is_waiting_ = true;
    ++core_->io_operations;
    auto ready = [self = shared_from_this()](const error_code& error) {
        --self->core_->io_operations;
        self->is_waiting_ = false;
        self->on_writable(error);
    };
    descriptor_.async_wait(boost::asio::posix::descriptor_base::wait_write, std::move(ready));
}

void writing_pipe::on_writable(const error_code& error) {
    if (phase_ == phase::closed) { return; }
    if (error) {
        fail(error);
    } else {
        send();
    }
}

void writing_pipe::fail(const error_code& error) noexcept {
    error_ = error;
    queued_.clear();
    sent_ = 0;
    is_paused_ = false;
    drained_.release();
    if (phase_ == phase::closing) { close_descriptor(); }
}

void writing_pipe::throw_if_failed() const {
    if (error_) { throw boost::system::system_error(error_, "writing to " + name_); }
}

coro<> writing_pipe::drain(std::shared_ptr<writing_pipe> p, await_site where) {
    p->throw_if_failed();
    if (p->is_paused_) {
        auto drained = p->drained_.add(p->core_.get(), wait_kind::io, where);
        co_await at(where, std::move(drained));
        p->throw_if_failed();
    } else {
        co_await at(where, yield_now());
    }
}

coro<> writing_pipe::wait_closed(std::shared_ptr<writing_pipe> p, await_site where) {
    if (p->phase_ != phase::closed) {
        auto closed = p->closed_.add(p->core_.get(), wait_kind::io, where);
        co_await at(where, std::move(closed));
    }
    p->throw_if_failed();
}

void writing_pipe::close() noexcept {
    if (phase_ != phase::open) { return; }
    phase_ = phase::closing;
    if (unsent() == 0) { close_descriptor(); }
}

void writing_pipe::abort() noexcept {
    if (phase_ == phase::closed) { return; }
    if (unsent() > 0) { error_ = boost::asio::error::operation_aborted; }
    close_descriptor();
}

void writing_pipe::close_descriptor() noexcept {
    phase_ = phase::closed;
    leave_parent(core_.get());
    error_code ignored;
    descriptor_.close(ignored);
    is_paused_ = false;
    drained_.release();
    closed_.release();
}

}  // namespace coroscope::detail
