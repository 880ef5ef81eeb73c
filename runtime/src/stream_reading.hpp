// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/stream.hpp>

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

// How anything that is a source of bytes is read. A source has `input` (what has arrived),
// `coro<bool> fill(where)`, `options`, `remote` (its name in messages) and `has_reader`. The
// operations are free coroutines that hold the source themselves, so that the object which the user
// has may be moved or destroyed while one is suspended.

namespace coroscope::detail {

/// One reader at a time: throws `invalid_state_error` for the second.
template <class Source>
class turn_to_read {
public:
    explicit turn_to_read(Source& source) : source_(source) {
        if (source.has_reader) {
            throw invalid_state_error("two tasks read from " + source.remote
                                      + " at the same time; let one read and pass on what it got");
        }
        source.has_reader = true;
    }
    turn_to_read(const turn_to_read&) = delete;
    turn_to_read& operator=(const turn_to_read&) = delete;
    ~turn_to_read() { source_.has_reader = false; }

private:
    Source& source_;
};

template <class Source>
coro<std::string> read_some_of(std::shared_ptr<Source> s, std::size_t n, await_site where) {
    const turn_to_read<Source> turn(*s);
    if (n == 0) { co_return std::string(); }
    if (s->input.bytes().empty()) { co_await s->fill(where); }
    co_return s->input.take(n);
}

template <class Source>
coro<std::string> read_exactly_of(std::shared_ptr<Source> s, std::size_t n, await_site where) {
    const turn_to_read<Source> turn(*s);
    bool more = true;
    while (more && s->input.bytes().size() < n) {
        more = co_await s->fill(where);
    }
    if (!more) {
        throw incomplete_read_error(s->input.take(n), std::to_string(n) + " bytes", s->remote);
    }
    co_return s->input.take(n);
}

/// Waits for the end; everything is in `input` then.
template <class Source>
coro<> read_to_end_of(std::shared_ptr<Source> s, await_site where) {
    const turn_to_read<Source> turn(*s);
    bool more = true;
    while (more) {
        more = co_await s->fill(where);
    }
}

/// Where the separator ends, counted from the first unread byte; `npos` at the end.
template <class Source>
coro<std::size_t> find_separator_of(std::shared_ptr<Source> s, std::string separator,
                                    await_site where) {
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

template <class Source>
coro<std::string> read_until_of(std::shared_ptr<Source> s, std::string separator,
                                await_site where) {
    if (separator.empty()) {
        throw std::invalid_argument("read_until needs a separator of at least one byte");
    }
    const turn_to_read<Source> turn(*s);
    const auto end = co_await find_separator_of(s, std::move(separator), where);
    if (end == std::string::npos) {
        throw incomplete_read_error(s->input.take(end), "a separator", s->remote);
    }
    co_return s->input.take(end);
}

template <class Source>
coro<std::string> read_line_of(std::shared_ptr<Source> s, await_site where) {
    const turn_to_read<Source> turn(*s);
    try {
        const auto end = co_await find_separator_of(s, "\n", where);
        co_return s->input.take(end);
    } catch (const limit_overrun_error&) {
        s->input.drop(s->input.bytes().size());
        throw;
    }
}

}  // namespace coroscope::detail
