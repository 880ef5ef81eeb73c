// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/coro.hpp>

#include <span>

namespace classic_bugs {

/// A small program with one of the bugs that every course on concurrency begins with, and the same
/// without it. Whether it goes wrong depends on nothing but the order of its tasks.
struct program {
    const char* name;
    coroscope::coro<> (*broken)();
    coroscope::coro<> (*corrected)();
};

[[nodiscard]] std::span<const program> all();

}  // namespace classic_bugs
