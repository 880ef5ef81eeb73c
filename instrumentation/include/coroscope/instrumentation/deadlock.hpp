// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/report/finding.hpp>

#include <cstdint>
#include <vector>

namespace coroscope {
class loop;
}

namespace coroscope::instrumentation {

/// What is known of a loop whose tasks are looked at.
enum class outlook : std::uint8_t {
    open,   ///< something may still happen
    quiet,  ///< nothing is ready, no timer is armed, no operation and no job is out: it is over
};

/// The deadlocks among the tasks of a loop, as they stand now:
///
/// - `await-cycle`: tasks that await each other in a circle,
/// - `lock-cycle`: the same where some of them wait for mutexes that the next one holds,
/// - `self-lock`: a task waits for a mutex whose holder awaits it, itself or through others,
/// - `all-blocked`, where it is quiet: those that wait and are in no circle.
///
/// A circle is confirmed where it is quiet, and predicted elsewhere: one of its tasks may wait with
/// a timeout, or for whichever comes first. Each finding has all its tasks, what they wait for and
/// where, and where they were created.
/// **Thread safety**: the loop's thread. **Cost**: see `capture_await_graph`.
[[nodiscard]] std::vector<report::finding> find_deadlocks(const loop& of, outlook known);

}  // namespace coroscope::instrumentation
