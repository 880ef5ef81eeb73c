// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/detail/frame_memory.hpp>
#include <coroscope/runtime/task_table.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace coroscope::instrumentation {

/// What `read_tasks` tells of a task, as far as a trace needs it, without any allocation.
struct live_task {
    std::uint64_t id = 0;
    task_state state = task_state::ready;
    wait_kind waits_for = wait_kind::nothing;
    await_site site{};
    std::uint64_t changed_at = 0;  ///< when its last step ended; 0: there was none
    std::array<char, task_record::name_capacity + 1> letters{};

    [[nodiscard]] std::string_view name() const noexcept { return letters.data(); }
};

/// False if the record holds no unfinished task of this loop. Of a task that runs meanwhile, what a
/// step changes is as of its last suspension or of its next.
[[nodiscard]] bool read_live_task(const task_record& record, std::uint32_t loop_id,
                                  live_task& task) noexcept;

/// Calls `f(live_task)` for the unfinished tasks of a loop. Any thread, also in signal handlers.
template <class F>
void for_each_live_task(std::uint32_t loop_id, F&& f) {
    const auto slabs = coroscope::detail::task_slab_count();
    for (std::size_t s = 0; s < slabs; ++s) {
        const auto slab = coroscope::detail::task_slab(s);
        for (std::size_t i = 0; i < slab.count; ++i) {
            live_task task;
            const auto* record = reinterpret_cast<const task_record*>(slab.first + i * slab.stride);
            if (read_live_task(*record, loop_id, task)) { f(task); }
        }
    }
}

}  // namespace coroscope::instrumentation
