// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace coroscope::detail {

class task_core;

/// Is told of every pause of a loop's tasks, when it ends: no hook of `observer`, since it needs
/// the task's frames as they stood, and every nanosecond. See `loop::set_pause_sink`.
struct pause_sink {
    /// The task's next step begins at the stamp `now`; its record still says when it suspended and
    /// when it was woken. Of the task it may change the label. On the loop's thread.
    void (*note)(pause_sink& self, task_core& task, std::uint64_t now) noexcept;
};

inline void note_pause(pause_sink* to, task_core& task, std::uint64_t now) noexcept {
    if (to != nullptr) [[unlikely]] { to->note(*to, task, now); }
}

}  // namespace coroscope::detail
