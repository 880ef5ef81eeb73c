// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/task.hpp>

#include <exception>
#include <string>
#include <utility>

/// Runs what is ready, and what that makes ready, a few rounds; no time passes.
inline void settle(coroscope::loop& in) {
    for (int i = 0; i < 10; ++i) {
        in.stop();
        in.run_forever();
    }
}

/// The message of the exception a task ended with; empty if it ended with a result.
template <class T>
std::string failure_of(const coroscope::task<T>& t) {
    try {
        static_cast<void>(t.result());
    } catch (const std::exception& e) { return e.what(); }
    return {};
}

/// `f(object)` as a coroutine that may be named and started; writes what it is when it is through.
template <class Awaitable>
coroscope::coro<> then_note(Awaitable what, std::string& log, char letter) {
    co_await std::move(what);
    log += letter;
}
