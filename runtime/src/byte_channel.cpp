// SPDX-License-Identifier: Apache-2.0
#include "byte_channel.hpp"

#include <boost/asio/ip/tcp.hpp>

#include <cerrno>
#include <csignal>
#include <ctime>

#include <poll.h>

namespace coroscope::detail {
namespace {

using error_code = byte_channel::error_code;

/// Keeps a write to a pipe whose reader is gone from ending the process: pipes have no
/// `MSG_NOSIGNAL`. A signal that the program has blocked itself and that waits already is left.
class without_sigpipe {
public:
    without_sigpipe() noexcept {
        ::sigemptyset(&pipe_);
        ::sigaddset(&pipe_, SIGPIPE);
        ::pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
        if (::sigismember(&before_, SIGPIPE) == 1) {
            sigset_t waiting = {};
            ::sigpending(&waiting);
            was_waiting_ = ::sigismember(&waiting, SIGPIPE) == 1;
        }
    }
    without_sigpipe(const without_sigpipe&) = delete;
    without_sigpipe& operator=(const without_sigpipe&) = delete;
    ~without_sigpipe() {
        if (was_raised && !was_waiting_) {
            const timespec at_once = {};
            while (::sigtimedwait(&pipe_, nullptr, &at_once) < 0 && errno == EINTR) {}
        }
        ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    }
    bool was_raised = false;

private:
    sigset_t pipe_ = {};
    sigset_t before_ = {};
    bool was_waiting_ = false;
};

}  // namespace

byte_channel::byte_channel(socket_type connected)
    : channel_(std::move(connected)),
      direction_(direction::both) {
    error_code ignored;
    auto& s = *socket();
    // Best effort: the other side may be gone already, which the first read or drain will tell. A
    // Unix-domain socket has no such option.
    s.set_option(boost::asio::ip::tcp::no_delay(true), ignored);
    s.non_blocking(true, ignored);
}

byte_channel::byte_channel(pipe_type end, direction goes)
    : channel_(std::move(end)),
      direction_(goes) {
    error_code ignored;
    std::get<pipe_type>(channel_).non_blocking(true, ignored);
}

byte_channel::byte_channel(std::shared_ptr<simulated_channel> simulated)
    : channel_(simulated_end(std::move(simulated))),
      direction_(direction::both) {}

int byte_channel::descriptor() noexcept {
    const auto number = [](auto& c) {
        return c.is_open() ? c.native_handle() : -1;
    };
    return std::visit(number, channel_);
}

bool byte_channel::is_reader_gone() noexcept {
    pollfd facts = {descriptor(), 0, 0};
    return ::poll(&facts, 1, 0) == 1 && (facts.revents & (POLLERR | POLLHUP)) != 0;
}

std::size_t byte_channel::read_some(boost::asio::mutable_buffer to, error_code& error) {
    const auto read = [&](auto& c) {
        return c.read_some(to, error);
    };
    return std::visit(read, channel_);
}

std::size_t byte_channel::write_some(boost::asio::const_buffer from, error_code& error) {
    if (auto* s = socket()) { return s->write_some(from, error); }
    if (auto* s = std::get_if<simulated_end>(&channel_)) { return s->write_some(from, error); }
    without_sigpipe guard;
    const auto n = std::get<pipe_type>(channel_).write_some(from, error);
    guard.was_raised = error == boost::asio::error::broken_pipe;
    return n;
}

bool byte_channel::end_writing() noexcept {
    error_code ignored;
    if (auto* s = socket()) {
        s->shutdown(socket_type::shutdown_send, ignored);
        return false;
    }
    if (auto* s = std::get_if<simulated_end>(&channel_)) {
        s->end_writing();
        return false;
    }
    return true;
}

void byte_channel::end_reading() noexcept {
    error_code ignored;
    if (auto* s = socket()) {
        s->shutdown(socket_type::shutdown_receive, ignored);
    } else if (auto* e = std::get_if<simulated_end>(&channel_)) {
        e->end_reading();
    }
}

void byte_channel::cancel() noexcept {
    error_code ignored;
    const auto stop = [&](auto& c) {
        c.cancel(ignored);
    };
    std::visit(stop, channel_);
}

void byte_channel::close() noexcept {
    error_code ignored;
    const auto end = [&](auto& c) {
        c.close(ignored);
    };
    std::visit(end, channel_);
}

}  // namespace coroscope::detail
