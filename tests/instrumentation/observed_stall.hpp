// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/instrumentation/stall_watchdog.hpp>

#include <coroscope/runtime/loop.hpp>

#include <algorithm>
#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

/// Stalls of a loop, each of which goes on until the watchdog has seen it, however long that takes:
/// so that nothing depends on how fast the machine is.
struct observed_stall {
    using stall = coroscope::instrumentation::stall;

    /// Threshold of the loops; long enough for a step to get to where it stalls, as a rule.
    coroscope::duration threshold = std::chrono::milliseconds(20);
    /// The step: has to return soon after `released` is true or `release` was called.
    std::function<void()> step;
    /// What ends the step; on the watchdog's thread.
    std::function<void()> release = [] {
    };
    /// Before each attempt.
    std::function<void()> prepare = [] {
    };
    std::function<bool(const stall&)> wanted;
    std::atomic<bool> released{false};

    /// The first report that is as wanted. A machine that is busy with others may keep the step
    /// from getting anywhere: then it is tried again.
    std::optional<stall> observe() {
        for (int attempt = 0; attempt < 30 && !found_; ++attempt) {
            run_once();
        }
        return found_;
    }

private:
    void run_once() {
        released.store(false);
        prepare();
        coroscope::instrumentation::stall_watchdog_options options;
        options.reports_per_minute = 1000;
        options.patience = std::chrono::seconds(2);
        options.handler = [this](const stall& seen) {
            look_at(seen);
        };
        coroscope::instrumentation::stall_watchdog watchdog(options);
        coroscope::loop_options with;
        with.slow_callback_duration = threshold;
        coroscope::loop l(with);
        watchdog.attach_to(l);
        l.call_soon([this, &l] {
            step();
            l.stop();
        });
        l.run_forever();
        watchdog.detach_from(l);
    }

    void look_at(const stall& seen) {
        if (released.load()) { return; }
        const bool is_it = wanted(seen);
        if (!is_it && seen.times_threshold < 8) { return; }
        if (is_it) { found_ = seen; }
        released.store(true);
        release();
    }

    std::optional<stall> found_;
};

/// The frame of a function of this name, or null.
inline const coroscope::report::stack_frame* find_frame(
    const std::optional<coroscope::report::stack>& stack, std::string_view function) {
    if (!stack) { return nullptr; }
    const auto found = std::find_if(
        stack->frames.begin(), stack->frames.end(),
        [&](const auto& frame) { return std::string_view(frame.function).ends_with(function); });
    return found == stack->frames.end() ? nullptr : &*found;
}
