// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/detail/loop_core.hpp>

#include <algorithm>
#include <cstddef>

namespace coroscope::instrumentation {

/// Says when a number that goes up and down is worth a look: it has reached the limit and grew at
/// `looks` looks at least, so that a burst of tasks is not taken for a leak; and again each time it
/// has doubled since. It starts anew below half of the limit.
class growth_watch {
public:
    growth_watch(std::size_t limit, std::size_t looks) noexcept
        : limit_(limit),
          looks_(looks),
          next_(limit) {}

    [[nodiscard]] bool is_due(std::size_t now) noexcept {
        if (now < limit_ / 2) { *this = growth_watch(limit_, looks_); }
        if (now > largest_) {
            largest_ = now;
            ++grown_;
        }
        return now >= next_ && grown_ >= looks_;
    }
    /// It was looked at: the largest part of it has this size. True if that is worth telling.
    [[nodiscard]] bool looked(std::size_t now, std::size_t largest_part) noexcept {
        if (largest_part >= limit_) {
            next_ = 2 * now;
            return true;
        }
        // A look costs some nanoseconds for each of them, so not at every one that comes.
        next_ = now + std::max(limit_ - largest_part, limit_ / 100);
        return false;
    }

private:
    std::size_t limit_;
    std::size_t looks_;
    std::size_t next_;
    std::size_t largest_ = 0;
    std::size_t grown_ = 0;
};

/// The place that most of them have.
struct crowd {
    await_site site{};
    std::size_t size = 0;
    await_site waits_at{};  ///< for tasks: where the most of these wait
};

/// By creation site. Empty if no task has one.
[[nodiscard]] crowd largest_crowd_of_tasks(const coroscope::detail::loop_core& core);
/// By the co_await of the tasks that sleep, or by where the callback was set.
[[nodiscard]] crowd largest_crowd_of_timers(const coroscope::detail::loop_core& core);

}  // namespace coroscope::instrumentation
