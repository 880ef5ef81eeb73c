// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/task_table.hpp>

#include <array>
#include <cstddef>
#include <cstdint>

namespace coroscope::detail {

struct loop_core;

/// The task that a loop runs, as a signal handler on the loop's own thread sees it.
struct running_task {
    static constexpr std::size_t most_sites = 48;

    const task_record* record = nullptr;
    std::uint64_t id = 0;  ///< 0: none runs
    std::uint32_t loop_id = 0;
    std::array<char, task_record::name_capacity> name{};  ///< as in the record
    /// Where the code of the coroutine that runs begins; 0: not known.
    std::uintptr_t body = 0;
    /// Innermost first. The first is the last `co_await` that the running coroutine came to, the
    /// others are those that its callers stand at.
    std::array<await_site, most_sites> sites{};
    std::size_t depth = 0;   ///< of `sites`
    bool truncated = false;  ///< there are more
};

/// Fills it in; false if no task runs, but a callback or the loop itself. Safe in a handler that
/// interrupts the loop anywhere: what may be half-written or gone is copied by the kernel and
/// counts if it says that it is the task's. The loop's own thread only. **Cost**: half a
/// microsecond a site.
bool read_running_task(const loop_core& core, running_task& into) noexcept;

}  // namespace coroscope::detail
