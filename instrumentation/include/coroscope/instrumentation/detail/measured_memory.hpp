// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/instrumentation/detail/call_timer.hpp>
#include <coroscope/instrumentation/detail/measured_call.hpp>
#include <coroscope/instrumentation/memory_snapshot.hpp>

#include <coroscope/runtime/clock.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <type_traits>
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
    explicit memory_statistics(std::size_t recent_calls) : recent_calls_(recent_calls) {}
    void add(time_point completed_at, memory_snapshot change, call_outcome outcome) noexcept;
    [[nodiscard]] memory_stats read(memory_key by, const memory_filter& filter) const;

private:
    struct finished_call {
        time_point completed_at;
        memory_snapshot change;
    };
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

/// A function whose memory is measured; what `profiler::profile_memory` returns. Called like the
/// function it wraps. **Thread safety**: as that of the function.
template <class F>
class measured_function {
public:
    measured_function(std::shared_ptr<detail::memory_statistics> statistics, F f)
        : statistics_(std::move(statistics)),
          function_(std::move(f)) {}

    template <class... Args>
        requires std::is_invocable_v<const F&, Args...> std::invoke_result_t<const F&, Args...>
    operator()(Args&&... args) const {
        return detail::measure_call<detail::memory_meter>(statistics_, function_,
                                                          std::forward<Args>(args)...);
    }

private:
    std::shared_ptr<detail::memory_statistics> statistics_;
    F function_;
};

}  // namespace coroscope::instrumentation
