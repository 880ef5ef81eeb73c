// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/stream.hpp>

#include <coroscope/runtime/asio.hpp>
#include <coroscope/runtime/detail/wait_list.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "sited.hpp"
#include "stream_state.hpp"

#include <boost/asio/io_context.hpp>

#include <utility>

namespace coroscope {
namespace {

using boost::asio::ip::tcp;
using state_pointer = std::shared_ptr<detail::stream_state>;

// The operations are free coroutines that hold the state themselves, so that a stream may be moved
// or destroyed while one is suspended.

coro<std::string> read_some(state_pointer s, std::size_t n, await_site where) {
    const detail::reading_turn turn(*s);
    if (n == 0) { co_return std::string(); }
    bool more = true;
    if (s->input.bytes().empty()) { more = co_await s->fill(where); }
    if (!more) { s->note_end_read(where); }
    co_return s->input.take(n);
}

coro<std::string> read_whole(state_pointer s, std::size_t n, await_site where) {
    const detail::reading_turn turn(*s);
    bool more = true;
    while (more && s->input.bytes().size() < n) {
        more = co_await s->fill(where);
    }
    if (!more) {
        throw incomplete_read_error(s->input.take(n), std::to_string(n) + " bytes", s->remote);
    }
    co_return s->input.take(n);
}

/// Where the separator ends, counted from the first unread byte; `npos` at the stream's end.
coro<std::size_t> find_end_of(state_pointer s, std::string separator, await_site where) {
    std::size_t searched = 0;
    while (true) {
        const auto bytes = s->input.bytes();
        const auto begin = searched < separator.size() ? 0 : searched - separator.size() + 1;
        const auto found = bytes.find(separator, begin);
        const auto reach = found == bytes.npos ? bytes.size() : found + separator.size();
        if (reach > s->options.read_limit) {
            throw limit_overrun_error("more than " + std::to_string(s->options.read_limit)
                                      + " bytes without the separator from " + s->remote);
        }
        if (found != bytes.npos) { co_return reach; }
        searched = bytes.size();
        const bool more = co_await s->fill(where);
        if (!more) { co_return std::string::npos; }
    }
}

coro<std::string> read_to_separator(state_pointer s, std::string separator, await_site where) {
    if (separator.empty()) {
        throw std::invalid_argument("read_until needs a separator of at least one byte");
    }
    const detail::reading_turn turn(*s);
    const auto end = co_await find_end_of(s, std::move(separator), where);
    if (end == std::string::npos) {
        throw incomplete_read_error(s->input.take(end), "a separator", s->remote);
    }
    co_return s->input.take(end);
}

coro<std::string> read_one_line(state_pointer s, await_site where) {
    const detail::reading_turn turn(*s);
    try {
        const auto end = co_await find_end_of(s, "\n", where);
        co_return s->input.take(end);
    } catch (const limit_overrun_error&) {
        s->input.drop(s->input.bytes().size());
        throw;
    }
}

coro<std::string> read_rest(state_pointer s, await_site where) {
    co_await detail::read_to_end(s, where);
    co_return s->input.take(std::string::npos);
}

coro<> drain_output(state_pointer s, await_site where) {
    s->throw_if_failed();
    if (s->is_paused()) {
        auto drained = s->drained.add(s->core.get(), wait_kind::io, where);
        co_await detail::at(where, std::move(drained));
        s->throw_if_failed();
    } else {
        // Looks like somebody who yields to poll, and is none.
        detail::remark_passage("stream::drain", 0, where);
        co_await detail::at(where, yield_now());
    }
}

coro<> wait_until_closed(state_pointer s, await_site where) {
    if (s->where_in_life != detail::stream_state::phase::closed) {
        auto closed = s->closed.add(s->core.get(), wait_kind::io, where);
        co_await detail::at(where, std::move(closed));
    }
    s->throw_if_failed();
}

}  // namespace

namespace detail {

coro<> read_to_end(state_pointer s, await_site where) {
    const reading_turn turn(*s);
    bool more = true;
    while (more) {
        more = co_await s->fill(where);
    }
}

}  // namespace detail

incomplete_read_error::incomplete_read_error(std::string partial, const std::string& wanted,
                                             const std::string& peer)
    : std::runtime_error("the stream from " + peer + " ended after "
                         + std::to_string(partial.size()) + " bytes, where " + wanted
                         + " was expected"),
      partial_(std::move(partial)) {}

stream::stream() noexcept = default;
stream::stream(std::shared_ptr<detail::stream_state> state) noexcept : state_(std::move(state)) {}
stream::stream(stream&& other) noexcept = default;

stream& stream::operator=(stream&& other) noexcept {
    if (this != &other) {
        if (state_) { state_->close(); }
        state_ = std::move(other.state_);
    }
    return *this;
}

stream::~stream() {
    if (state_) { state_->close(); }
}

const std::shared_ptr<detail::stream_state>& stream::state() const {
    if (!state_) {
        throw invalid_state_error("an empty stream was used; it was moved from, or never opened");
    }
    return state_;
}

coro<std::string> stream::read(std::size_t n, await_site where) {
    return read_some(state(), n, where);
}

coro<std::string> stream::read_exactly(std::size_t n, await_site where) {
    return read_whole(state(), n, where);
}

coro<std::string> stream::read_until(std::string separator, await_site where) {
    return read_to_separator(state(), std::move(separator), where);
}

coro<std::string> stream::read_line(await_site where) {
    return read_one_line(state(), where);
}

coro<std::string> stream::read_all(await_site where) {
    return read_rest(state(), where);
}

void stream::write(std::string_view bytes) {
    state()->write(bytes);
}

coro<> stream::drain(await_site where) {
    return drain_output(state(), where);
}

void stream::write_eof() {
    state()->write_eof();
}

std::size_t stream::unsent() const noexcept {
    return state_ ? state_->unsent() : 0;
}

void stream::close() noexcept {
    if (state_) { state_->close(); }
}

void stream::abort() noexcept {
    if (state_) { state_->abort(); }
}

coro<> stream::wait_closed(await_site where) {
    return wait_until_closed(state(), where);
}

bool stream::is_closing() const noexcept {
    return !state_ || state_->where_in_life != detail::stream_state::phase::open;
}

const std::string& stream::remote_endpoint() const noexcept {
    static const std::string none;
    return state_ ? state_->remote : none;
}

const std::string& stream::local_endpoint() const noexcept {
    static const std::string none;
    return state_ ? state_->local : none;
}

coro<stream> open_connection(std::string host, std::uint16_t port, stream_options options,
                             await_site where) {
    auto& loop = get_running_loop();
    detail::stream_state::check(options);
    const auto endpoints = co_await detail::resolve(host, port, where);
    boost::system::error_code last = boost::asio::error::host_not_found;
    for (const auto& endpoint : endpoints) {
        tcp::socket socket(loop.io_context());
        try {
            co_await detail::at(where, socket.async_connect(endpoint, use_coro));
            co_return stream(
                std::make_shared<detail::stream_state>(loop.core(), std::move(socket), options));
        } catch (const boost::system::system_error& e) { last = e.code(); }
    }
    throw boost::system::system_error(last,
                                      "connecting to " + host + " port " + std::to_string(port));
}

}  // namespace coroscope
