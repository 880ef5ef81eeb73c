// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/sleep.hpp>

#include <chrono>
#include <list>

/// Waits, then builds a list of 10,000 numbers.
inline coroscope::coro<std::list<int>> to_be_profiled(coroscope::duration pause) {
    co_await coroscope::sleep_for(pause);
    co_return std::list<int>(10'000, 42);
}

/// The loop's first timer makes it allocate memory for timers, which would be blamed on whoever
/// sleeps first.
inline coroscope::coro<> make_first_timer() {
    co_await coroscope::sleep_for(std::chrono::nanoseconds(1));
}
