// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/schedule_policy.hpp>

#include <cstddef>
#include <optional>
#include <span>

namespace coroscope {

/// A schedule policy that may also wake what a program must expect to be woken early, since nothing
/// promises it more: tasks that wait for a `condition`, for no reason, and time limits (`wait_for`,
/// `timeout_scope`, `wait`, `as_completed`), before their time.
///
/// The time does not move for that: a limit that is up early is up at the `now()` of then. Limits
/// keep the order of their deadlines among themselves. A task is woken only while the condition's
/// mutex is free. **Thread safety**: called on the loop's thread.
class early_wake_policy : public schedule_policy {
public:
    /// Something that could be woken early.
    struct early_choice : choice {
        bool is_limit = false;  ///< false: it waits for a condition
    };
    /// What may be woken early now.
    struct wakes {
        bool conditions = false;
        bool limits = false;
    };
    [[nodiscard]] virtual wakes allowed() const noexcept = 0;
    /// Called in place of `pick` where there is something to wake: returns an index into `ready`
    /// or, counted on from its end, into `early`. Where nothing is ready, which is asked, too,
    /// before time goes on: nothing, if it is to go on.
    [[nodiscard]] virtual std::optional<std::size_t> pick_any(
        std::span<const choice> ready, std::span<const early_choice> early) = 0;
};

}  // namespace coroscope
