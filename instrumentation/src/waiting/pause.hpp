// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/detail/task_core.hpp>
#include <coroscope/runtime/task_table.hpp>

#include <algorithm>
#include <bit>
#include <cstdint>

namespace coroscope::instrumentation {

/// A frame has no site before its first co_await.
[[nodiscard]] inline bool has_site(const coroscope::detail::frame_base& frame) noexcept {
    return std::bit_cast<std::uint64_t>(frame.site) != 0;
}

/// The time between two steps of a task, in ticks.
struct pause {
    std::uint64_t waiting = 0;
    std::uint64_t scheduled = 0;
    wait_kind kind = wait_kind::nothing;  ///< nothing: only its turn
};

/// As the loop divides it, from `since` on. Before its first step a task waits for its turn alone;
/// its record may have the stamp of another task's wake-up then.
[[nodiscard]] inline pause pause_of(const task_record& record, bool has_begun, std::uint64_t since,
                                    std::uint64_t now) noexcept {
    constexpr auto relaxed = std::memory_order_relaxed;
    const auto suspended = record.changed_at.load(relaxed);
    const auto woken = has_begun ? record.woken_at.load(relaxed) : 0;
    const auto from = std::max(suspended, since);
    const auto ready = std::max(from, woken);
    const bool was_woken = has_begun && woken >= suspended;
    return {ready - from, std::max(now, ready) - ready,
            was_woken ? record.waits_for.load(relaxed) : wait_kind::nothing};
}

}  // namespace coroscope::instrumentation
