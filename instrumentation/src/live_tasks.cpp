// SPDX-License-Identifier: Apache-2.0
#include "live_tasks.hpp"

namespace coroscope::instrumentation {

bool read_live_task(const task_record& record, std::uint32_t loop_id, live_task& task) noexcept {
    constexpr auto order = std::memory_order_acquire;
    constexpr int attempts = 16;
    for (int attempt = 0; attempt < attempts; ++attempt) {
        const auto before = record.sequence.load(order);
        task.id = record.id.load(order);
        if (task.id == 0 || record.magic.load(order) != task_record::magic_value
            || record.loop_id.load(order) != loop_id) {
            return false;
        }
        task.state = record.state.load(order);
        task.waits_for = record.waits_for.load(order);
        task.site = record.site.load(order);
        task.changed_at = record.changed_at.load(order);
        for (std::size_t i = 0; i < record.name.size(); ++i) {
            task.letters[i] = record.name[i].load(order);
            if (task.letters[i] == '\0') { break; }
        }
        const bool runs = (before & 1U) != 0;
        if (record.id.load(order) == task.id && (runs || record.sequence.load(order) == before)) {
            if (runs) { task.state = task_state::running; }
            return task.state != task_state::done;
        }
    }
    return false;
}

}  // namespace coroscope::instrumentation
