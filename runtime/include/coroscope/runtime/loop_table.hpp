// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/clock.hpp>
#include <coroscope/runtime/loop.hpp>

#include <cstdint>
#include <vector>

namespace coroscope {

/// What anybody may know of a loop without holding it.
struct loop_view {
    std::uint32_t id = 0;
    bool alive = true;  ///< false: destroyed, and the rest is as it was at its end
    loop_state state = loop_state::idle;
    time_point time{};  ///< by the loop's own clock
    loop_statistics statistics;
};

/// The loops of this process, oldest first: those alive, and the last 16 that were destroyed, so
/// that whoever reports on a run finds its figures after `run` has returned.
///
/// **Thread safety**: any thread, at any time, also while a loop is blocked; a loop that is being
/// destroyed waits for a reader, no running one ever does.
[[nodiscard]] std::vector<loop_view> read_loops();

}  // namespace coroscope
