// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "step_times.hpp"
#include "thread_state.hpp"

#include <coroscope/instrumentation/stall_watchdog.hpp>

#include <coroscope/runtime/loop_table.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace coroscope::instrumentation::detail {

/// A loop as the watchdog sees it: the step that it is in, and what was seen of that.
class watched_loop {
public:
    using instant = std::chrono::steady_clock::time_point;

    explicit watched_loop(std::uint32_t loop_id) : id(loop_id) {}

    const std::uint32_t id;
    std::atomic<duration> loops_threshold{std::chrono::milliseconds(100)};

    // --- Any thread

    /// A run begins on the calling thread, which this is.
    void note_thread(const thread_identity& thread);
    [[nodiscard]] thread_identity thread() const;
    /// What is known of the step that just ended here; nothing if it was not noticed.
    [[nodiscard]] std::optional<stall_evidence> evidence_of(const step_record& step) const;
    void complete_later(const step_record& step, const std::shared_ptr<slow_log>& log,
                        std::uint64_t sequence);

    // --- The watchdog's thread

    /// A look at the loop, begun at `now` (a stamp of `step_clock`). Returns how many times the
    /// threshold its step had lasted by then, if that is news: 1, 2, 4, 8; otherwise 0.
    [[nodiscard]] std::uint32_t look(const loop_activity& activity, std::uint64_t now,
                                     duration threshold, duration overslept);
    /// How long until the next look.
    [[nodiscard]] duration until_next_look(duration threshold) const;
    /// Whether the step that `look` saw goes on.
    [[nodiscard]] bool still_stands(const loop_activity& activity) const {
        return activity.in_step && activity.began == began_;
    }
    [[nodiscard]] std::uint64_t began() const noexcept { return began_; }
    [[nodiscard]] duration lasted() const;
    [[nodiscard]] report::step_cause cause_now(const thread_place& place);

    /// The step is a stall; `waits_for_stack`: names of its stack will follow.
    void publish(const report::step_cause& cause, const thread_place& place, bool waits_for_stack);
    void publish_stack(std::optional<report::stack> stack, std::string trouble);

    // About the step that it is in:
    bool is_counted = false;
    bool is_suppressed = false;  ///< by the limit of reports

private:
    struct later_record {
        std::weak_ptr<slow_log> log;
        std::uint64_t sequence;
    };

    void begin_step(const loop_activity& activity, const thread_usage& usage);

    std::uint64_t began_ = 0;  // 0: in no step
    std::uint32_t next_multiple_ = 1;
    thread_usage last_look_;
    step_times times_;

    mutable std::mutex mutex_;
    thread_identity thread_;
    std::optional<thread_usage> at_start_;  // of a run that began since the last look
    std::uint64_t seen_ = 0;                // the stamp of the step that the rest is about; 0: none
    step_times seen_times_;
    std::optional<stall_evidence> evidence_;
    std::vector<later_record> later_;
};

}  // namespace coroscope::instrumentation::detail
