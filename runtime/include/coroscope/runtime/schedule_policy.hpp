// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/await_site.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

namespace coroscope {

/// Chooses what runs next, for tests. Where a loop has none (production), the order is first in,
/// first out.
///
/// It is offered everything that is ready, in the order in which it became so, except what
/// programs may rely on not to come yet. What one task or callback put into the queue itself keeps
/// its order: the callbacks that it posted, the timers that it armed for one instant, and its own
/// next step after a sleep or a yield. What comes from outside of the loop keeps its order, too.
/// Everything else is free: spawned tasks, those who are woken by somebody else, timers of several
/// tasks for one instant. Overdue timers of an earlier instant come before those of a later one.
/// **Thread safety**: called on the loop's thread.
class schedule_policy {
public:
    /// A task, or a callback.
    struct agent {
        std::uint64_t id = 0;  ///< of the task or handle; 0: neither, what comes from outside
        bool is_task = false;
        friend bool operator==(const agent&, const agent&) = default;
    };
    /// One thing that could run now.
    struct choice {
        std::uint64_t id;  ///< of the task or handle
        bool is_task;
        await_site at;  ///< the co_await a task stands at, unknown before its first step; where a
                        ///< callback was posted
        std::uint64_t order = 0;  ///< what has the same number comes in this order; 0: free
    };
    virtual ~schedule_policy() = default;
    /// Returns an index into `ready`, which is never empty; 0 is what would run without a policy;
    /// SIZE_MAX: none of them until the clock or others bring more. What it throws ends the run.
    [[nodiscard]] virtual std::size_t pick(std::span<const choice> ready) = 0;
    /// A task was created, a callback posted, or a timer armed with one.
    virtual void on_created(const agent& what, const agent& by) noexcept {
        static_cast<void>(what);
        static_cast<void>(by);
    }
};

}  // namespace coroscope
