// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/report/histogram_recorder.hpp>
#include <coroscope/report/snapshot.hpp>
#include <coroscope/runtime/clock.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace coroscope {
struct task_record;
}

namespace coroscope::instrumentation::detail {

enum class call_outcome : std::uint8_t { returned, threw, cancelled };

/// All calls of one profiled name. **Thread safety**: all members, from any thread.
class call_statistics {
public:
    using on_switch = std::shared_ptr<const std::atomic<bool>>;

    call_statistics(std::size_t recent_calls, on_switch is_on);
    /// Whether calls count: the profiler is not stopped.
    [[nodiscard]] bool counts() const noexcept { return is_on_->load(std::memory_order_relaxed); }
    void add(const report::call_record& call, duration busy, call_outcome outcome) noexcept;
    [[nodiscard]] report::time_stats read() const;

private:
    class lock;

    on_switch is_on_;
    mutable std::atomic<bool> is_locked_{false};
    report::histogram_recorder lengths_;
    report::time_stats stats_;  // `recent` is a ring here, its oldest entry at `oldest_`
    std::size_t recent_calls_;
    std::size_t oldest_ = 0;
};

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
    [[nodiscard]] duration busy(std::uint64_t now) const noexcept;

    call_statistics* statistics_;
    const clock* clock_;                   // another one than the machine's; null: stamps will do
    const task_record* record_ = nullptr;  // of the task that runs here; null: there is none
    std::uint64_t step_ = 0;               // the record's sequence: the same while a step lasts
    std::uint64_t earlier_ticks_ = 0;      // of the task, when the call began
    time_point start_;                     // by that clock
    std::uint64_t start_stamp_;
    call_outcome outcome_;
};

}  // namespace coroscope::instrumentation::detail
