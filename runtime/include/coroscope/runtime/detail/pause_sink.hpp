// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace coroscope::detail {

class task_core;
struct frame_base;

/// Is told of every pause of a loop's tasks, when it ends, and, if it wants to be, of every step:
/// no hook of `observer`, since it needs the task's frames as they stand, and every nanosecond. On
/// the loop's thread. See `loop::add_pause_sink`.
struct pause_sink {
    /// The task's next step begins at the stamp `now`; its record still says when it suspended and
    /// when it was woken.
    void (*note)(pause_sink& self, task_core& task, std::uint64_t now) noexcept;
    /// A step has ended, or the part of one up to a task that it started eagerly (its record's
    /// sequence is odd then). `innermost`: the frame that it ended in, for the last step the
    /// task's root. A callback's step has neither task nor frame. Null: steps are not wanted.
    void (*note_step)(pause_sink& self, const task_core* task, const frame_base* innermost,
                      std::uint64_t ticks) noexcept = nullptr;
    /// It writes `task_core::pause_label`; there may be one such sink.
    bool labels_tasks = false;
    pause_sink* next = nullptr;  ///< of the same loop
};

inline void note_pause(pause_sink* first, task_core& task, std::uint64_t now) noexcept {
    if (first == nullptr) [[likely]] { return; }
    for (auto* to = first; to != nullptr; to = to->next) {
        to->note(*to, task, now);
    }
}

inline void note_step(pause_sink* first, const task_core* task, const frame_base* innermost,
                      std::uint64_t ticks) noexcept {
    if (first == nullptr) [[likely]] { return; }
    for (auto* to = first; to != nullptr; to = to->next) {
        if (to->note_step != nullptr) { to->note_step(*to, task, innermost, ticks); }
    }
}

}  // namespace coroscope::detail
