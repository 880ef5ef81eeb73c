// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "race_records.hpp"

#include <coroscope/instrumentation/detail/annotation.hpp>

#include <cstdint>
#include <memory>

namespace coroscope::instrumentation::detail {

using coroscope::detail::atomicity;

/// Whether accesses that follow are others than those before, as far as other threads can tell.
[[nodiscard]] constexpr bool gives_order(thread_order how) noexcept {
    return how == thread_order::release || how == thread_order::release_fence;
}

/// When an access was made, in one of the orders of `thread_clocks`.
struct thread_stamp {
    slot_memory slot;
    std::uint32_t time = 0;
    race_clock clock;  ///< what comes before it, with its own unit
};

[[nodiscard]] inline bool comes_before(const thread_stamp& a, const thread_stamp& b) noexcept {
    return b.clock.time_of(a.slot.slot()) >= a.time;
}

/// An access by a job, or by the loop while jobs are out.
struct thread_record : access_record {
    // `slot`, `time` and `clock` are those of the order that no schedule can change.
    thread_stamp by_job;     ///< and of who had a mutex before
    thread_stamp by_thread;  ///< and of what one thread does: the order of this very run
    std::uint64_t unit = 0;  ///< one for all of the loop's tasks
    atomicity atomic = atomicity::none;

    [[nodiscard]] bool is_atomic() const noexcept { return atomic != atomicity::none; }
};
using thread_pointer = std::shared_ptr<thread_record>;

}  // namespace coroscope::instrumentation::detail
