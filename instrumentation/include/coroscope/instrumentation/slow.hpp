// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/instrumentation/long_running.hpp>
#include <coroscope/instrumentation/slow_log.hpp>

#include <coroscope/report/slow_step.hpp>
#include <coroscope/runtime/clock.hpp>
#include <coroscope/runtime/observer.hpp>

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace coroscope {
class loop;
}

namespace coroscope::instrumentation {

class stall_watchdog;

struct slow_spotter_options {
    /// Real time from which a step is recorded, inclusive; 0 records every step. Unset: the loop's
    /// `slow_callback_duration`, also when that changes.
    ///
    /// Below the loop's, `slow_spotter::attach_to` lowers the loop's as well: the loop tells of no
    /// step that is faster than its own threshold.
    std::optional<duration> threshold{};
    /// Records kept: the slowest ones.
    std::size_t capacity = 1000;
    /// Writes each record to standard error. Unset: in the loop's debug mode only.
    std::optional<bool> log{};
    /// Called for each record, on the thread of the loop, which runs nothing else meanwhile. What
    /// it throws goes to the loop's exception handler; it is not called again then.
    std::function<void(const report::slow_step&)> handler{};
    /// Watches the same loops: records get the stack that it took while the step was stuck, and
    /// where the time went. A stack that has no names yet when the step ends is in the records soon
    /// after, but not in what `log` and `handler` get. Must outlive the loops.
    stall_watchdog* watchdog = nullptr;
};

/// Records the steps that kept a loop from everything else for too long: which task or callback,
/// where it was created, and between which two `co_await` lines it blocked.
///
///     coroscope::instrumentation::slow_spotter spotter;
///     coroscope::run_options options;
///     options.prepare = [&spotter](coroscope::loop& l) { spotter.attach_to(l); };
///     coroscope::run(serve(), options);
///     for (const auto& step : spotter.records()) { std::cerr << log_text(step); }
///
/// Durations are real time, also under a fake clock. One record a step. A step that runs foreign
/// handlers of the loop's Asio context is recorded as `io_poll`, without lines. Knows nothing where
/// `loop_options::time_stats` is off, nor of steps before it was attached.
///
/// **Thread safety**: may be attached to several loops on several threads; records may be read
/// from any thread at any time. **Lifetime**: must outlive the loops that it is attached to, or be
/// removed from them (`loop::remove_observer`); `log()` outlives both. **Cost**: nothing that a
/// loop without it does not do, for a step below the threshold; some microseconds a record.
class slow_spotter : public observer {
public:
    explicit slow_spotter(slow_spotter_options options = {});

    /// Attaches it, and lowers the loop's `slow_callback_duration` to an own threshold below it.
    ///
    /// `loop::add_observer` attaches it too and leaves the loop's threshold alone: the higher one
    /// of the two then decides.
    void attach_to(loop& l);

    void on_slow_step(const step_record& step) noexcept override;
    void on_slow_threshold(duration threshold) noexcept override;

    /// The records so far. Stays valid, and is shared, when the spotter is gone.
    [[nodiscard]] std::shared_ptr<const slow_log> log() const noexcept { return log_; }
    /// Copies of the records, in the order of recording. Any thread.
    [[nodiscard]] std::vector<report::slow_step> records() const { return log_->records(); }

private:
    void notice(loop& l, const step_record& step, duration threshold) noexcept;
    bool add_evidence(const loop& l, const step_record& step, report::slow_step& made);
    void tell(loop& l, const report::slow_step& step) noexcept;

    slow_spotter_options options_;
    std::shared_ptr<slow_log> log_;
    std::atomic<bool> handler_failed_{false};
};

/// Whether a step took at least `threshold`. A difference of stamps that cannot be (negative, more
/// than a day) counts as 0.
[[nodiscard]] bool took_at_least(const step_record& step, duration threshold) noexcept;

/// A record for people: asyncio's sentence (`Executing ... took 0.150 seconds`) on the first line,
/// then, indented, from where to where it ran, where it was created, and the threshold.
[[nodiscard]] std::string log_text(const report::slow_step& step);

}  // namespace coroscope::instrumentation
