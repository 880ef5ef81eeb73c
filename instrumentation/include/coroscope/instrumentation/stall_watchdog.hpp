// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/instrumentation/slow_log.hpp>

#include <coroscope/report/slow_step.hpp>
#include <coroscope/report/stack.hpp>
#include <coroscope/report/step_cause.hpp>
#include <coroscope/runtime/clock.hpp>
#include <coroscope/runtime/observer.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace coroscope {
class loop;
}

namespace coroscope::instrumentation {

/// A step that goes on.
struct stall {
    /// What runs, since when, and why it is not over. Its `wall` is the time so far, its `to` is
    /// empty, its `sequence` 0.
    report::slow_step step;
    /// How many times the threshold it has lasted: 1, 2, 4 or 8. What comes after 1 is news of the
    /// same stall.
    std::uint32_t times_threshold = 1;
    /// Stalls that were not reported since the last one that was: see `reports_per_minute`.
    std::uint64_t suppressed = 0;
};

struct stall_watchdog_options {
    /// Real time from which a step is a stall; less than a millisecond counts as one. Unset: the
    /// loop's `slow_callback_duration`, also when that changes.
    std::optional<duration> threshold{};
    /// Stalls reported in a minute, each with all its news. Others are counted.
    std::uint32_t reports_per_minute = 5;
    /// The signal that a thread is sent that runs: it then copies its own stack. Of the real-time
    /// signals, `SIGRTMIN + signal_offset`. A handler that the program had for it is called for all
    /// signals but ours.
    int signal_offset = 8;
    /// How long to wait for a thread to take that signal.
    duration patience = std::chrono::milliseconds(250);
    /// Bytes of a stack that are looked at, from its innermost frame on.
    std::size_t most_stack_bytes = std::size_t{256} * 1024;
    /// Called for each report, on the watchdog's thread, while the step goes on. Unset: the report
    /// is written to standard error. What it throws is told there once; it is not called again.
    std::function<void(const stall&)> handler{};
};

/// What is known of a step from having watched it.
struct stall_evidence {
    std::optional<report::stack> stack;
    std::string stack_trouble;
    report::step_cause cause;
    bool more_will_follow = false;  ///< a stack was taken, and has no names yet
};

/// Notices steps that keep a loop from everything else for too long *while they last*: a thread
/// that looks at the loops, and at 1, 2, 4 and 8 times the threshold takes the stack of the one
/// that stands still. Says the line it is at, and whether it computes, is blocked in the kernel, or
/// is not scheduled.
///
///     coroscope::instrumentation::stall_watchdog watchdog;
///     coroscope::run_options options;
///     options.prepare = [&watchdog](coroscope::loop& l) { watchdog.attach_to(l); };
///     coroscope::run(serve(), options);
///
/// Changes nothing: a thread that is blocked in the kernel gets no signal, since that would cut
/// system calls short. One that runs gets a signal; if it enters a system call before it takes it,
/// that may return `EINTR`. Needs `loop_options::time_stats`. Where coroscope was built without
/// `COROSCOPE_BUILD_STACKS`, reports have all but the stack.
///
/// **Thread safety**: loops may run in any threads; `attach_to` belongs to the loop's, the rest may
/// be called from any. **Lifetime**: must outlive the loops that it is attached to, or be detached
/// from them. **Cost**: nothing to a loop; twice a threshold the watchdog's
/// thread wakes up for some microseconds; a report takes the stalled thread some 20 µs if it runs,
/// and nothing if it does not.
class stall_watchdog : public observer {
public:
    explicit stall_watchdog(stall_watchdog_options options = {});
    stall_watchdog(const stall_watchdog&) = delete;
    stall_watchdog& operator=(const stall_watchdog&) = delete;
    ~stall_watchdog() override;

    /// Watches a loop from its next run on, or from now if it runs. Throws `std::logic_error` if
    /// the loop does not measure its steps.
    void attach_to(loop& l);
    /// Watches it no more.
    void detach_from(loop& l) noexcept;

    /// Unset: the loops' own again. Counts from the next look on.
    void set_threshold(std::optional<duration> threshold);
    void set_reports_per_minute(std::uint32_t reports);

    struct counts {
        std::uint64_t stalls = 0;      ///< steps that reached the threshold, seen while they lasted
        std::uint64_t suppressed = 0;  ///< those of them that were not reported
        std::uint64_t thrown_away = 0;  ///< captures that the step's end overtook
    };
    [[nodiscard]] counts so_far() const noexcept;

    /// For whoever records steps after their end, on the loop's thread: what was seen of this one.
    /// Nothing if it was not noticed. What is not ready yet goes into `log`'s record of that
    /// number, once it is there.
    [[nodiscard]] std::optional<stall_evidence> evidence_of(std::uint32_t loop_id,
                                                            const step_record& step);
    void complete_later(std::uint32_t loop_id, const step_record& step,
                        const std::shared_ptr<slow_log>& log, std::uint64_t sequence);

    void on_slow_threshold(duration threshold) noexcept override;

private:
    class implementation;
    std::unique_ptr<implementation> implementation_;
};

/// A stall for people: what runs and for how long, from where, why, and the stack.
[[nodiscard]] std::string stall_text(const stall& s);

/// A stack for people, one frame a line, indented by four spaces:
/// `#1 docserver::compress at src/gzip.cpp:41`.
[[nodiscard]] std::string stack_text(const report::stack& stack);

/// Whether this build of coroscope takes native stacks.
[[nodiscard]] bool takes_native_stacks() noexcept;

}  // namespace coroscope::instrumentation
