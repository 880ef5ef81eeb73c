// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/instrumentation/detail/call_statistics.hpp>
#include <coroscope/instrumentation/memory_snapshot.hpp>

#include <coroscope/runtime/clock.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <utility>
#include <vector>

namespace coroscope::instrumentation {

using report::memory_call;
using report::memory_stats;

namespace detail {

/// Begins to count allocations unless a `memory_profiler` does already; throws as its `start`.
void count_allocations();

/// All calls of one name. **Thread safety**: all members, from any thread.
class memory_statistics {
public:
    memory_statistics(std::size_t recent_calls, call_statistics::on_switch is_on)
        : is_on_(std::move(is_on)),
          recent_calls_(recent_calls) {}
    /// Whether calls count: the profiler is not stopped.
    [[nodiscard]] bool counts() const noexcept { return is_on_->load(std::memory_order_relaxed); }
    void add(time_point completed_at, memory_snapshot change, call_outcome outcome) noexcept;
    [[nodiscard]] memory_stats read(memory_key by, const memory_filter& filter) const;

private:
    struct finished_call {
        time_point completed_at;
        memory_snapshot change;
    };
    call_statistics::on_switch is_on_;
    mutable std::mutex mutex_;
    memory_stats stats_;  // without `recent`
    std::deque<finished_call> recent_;
    std::size_t recent_calls_;
};

/// One call, from construction to destruction: what its task, or its thread, allocates meanwhile.
class memory_meter {
public:
    /// The statistics must outlive it.
    memory_meter(memory_statistics& statistics, call_outcome outcome);
    memory_meter(const memory_meter&) = delete;
    memory_meter& operator=(const memory_meter&) = delete;
    ~memory_meter();
    void set(call_outcome outcome) noexcept { outcome_ = outcome; }

private:
    memory_statistics* statistics_;
    std::uint32_t loop_id_ = 0;
    std::uint64_t who_ = 0;
    memory_snapshot before_;
    call_outcome outcome_;
};

}  // namespace detail

}  // namespace coroscope::instrumentation
