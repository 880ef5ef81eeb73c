// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/clock.hpp>
#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/sleep.hpp>

#include <stdexcept>

/// Gives `n` when `d` has passed.
inline coroscope::coro<int> after(coroscope::duration d, int n) {
    co_await coroscope::sleep_for(d);
    co_return n;
}

/// Throws when `d` has passed.
inline coroscope::coro<int> fail_after(coroscope::duration d) {
    co_await coroscope::sleep_for(d);
    throw std::runtime_error("failed");
}
