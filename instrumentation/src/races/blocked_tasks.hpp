// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/instrumentation/await_graph.hpp>

#include <coroscope/report/finding.hpp>

#include <cstdint>
#include <vector>

namespace coroscope::detail {
class task_core;
}

namespace coroscope::instrumentation::detail {

/// Why tasks do not go on.
enum class standstill : std::uint8_t {
    await_cycle,  ///< each awaits the next
    lock_cycle,   ///< the same, and some wait for locks that the next one holds
    self_lock,    ///< for a lock that its holder cannot give back before this wait has ended
    all_blocked,  ///< nothing can happen any more
};

/// What is known of a task that may wait, but for `awaits` and `awaited_by`.
[[nodiscard]] awaiting_task describe_task(const coroscope::detail::task_core& task);

/// The finding about these tasks, whoever has noticed it: the same one has the same fingerprint.
[[nodiscard]] report::finding describe_standstill(standstill kind, report::verdict sure,
                                                  const std::vector<awaiting_task>& members);

}  // namespace coroscope::instrumentation::detail
