// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/instrumentation/detail/call_statistics.hpp>

#include <coroscope/runtime/clock.hpp>

#include <cstdint>

namespace coroscope {
struct task_record;
}

namespace coroscope::instrumentation::detail {

/// One call, from construction to destruction; on both clocks.
class call_timer {
public:
    /// `outcome`: what it counts as unless it is told otherwise.
    /// The statistics must outlive it.
    call_timer(call_statistics& statistics, call_outcome outcome) noexcept;
    call_timer(const call_timer&) = delete;
    call_timer& operator=(const call_timer&) = delete;
    ~call_timer();

    void set(call_outcome outcome) noexcept { outcome_ = outcome; }

private:
    [[nodiscard]] bool is_in_its_first_step() const noexcept;
    [[nodiscard]] std::uint64_t ticks_in_steps(std::uint64_t now) const noexcept;

    call_statistics* statistics_;
    const clock* clock_;                   // another one than the machine's; null: stamps will do
    const task_record* record_ = nullptr;  // of the task that runs here; null: there is none
    std::uint64_t step_ = 0;               // the record's sequence: the same while a step lasts
    std::uint64_t earlier_ticks_ = 0;      // of the task, in the steps before that one
    std::uint64_t step_began_ = 0;         // stamp
    time_point start_;                     // by that clock
    std::uint64_t start_stamp_;
    call_outcome outcome_;
};

}  // namespace coroscope::instrumentation::detail
