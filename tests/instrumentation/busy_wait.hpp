// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

/// Keeps the thread busy for so much real time: what a step that blocks its loop does.
inline void busy_wait(std::chrono::nanoseconds how_long) {
    const auto end = std::chrono::steady_clock::now() + how_long;
    while (std::chrono::steady_clock::now() < end) {}
}
