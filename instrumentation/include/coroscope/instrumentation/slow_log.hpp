// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/report/slow_step.hpp>
#include <coroscope/runtime/clock.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

namespace coroscope::instrumentation {

/// A bounded list of slow steps: when it is full, the fastest one goes, and of equally fast ones
/// the latest. So nothing that is missing was slower than anything that is there.
///
/// **Thread safety**: all members, from any thread. Writers are loops in their slow steps only.
class slow_log {
public:
    explicit slow_log(std::size_t capacity);

    /// Copies, in the order of recording.
    [[nodiscard]] std::vector<report::slow_step> records() const;
    /// Slow steps that are not in `records()`.
    [[nodiscard]] std::uint64_t dropped() const;

    /// The highest threshold that was in force since recording began: every step that took at
    /// least this was recorded. Nothing until a loop with the spotter has run.
    [[nodiscard]] std::optional<duration> threshold() const noexcept;

    /// Whether a step that took `wall` would be kept. If not, it is counted as dropped.
    [[nodiscard]] bool has_room_for(duration wall) noexcept;
    void add(report::slow_step step);
    /// Changes a record that is still there, all but its wall time.
    void amend(std::uint64_t sequence, const std::function<void(report::slow_step&)>& change);
    /// A slow step that could not be kept at all.
    void count_dropped() noexcept;
    /// Steps are recorded from `threshold` on, from now on.
    void note_threshold(duration threshold) noexcept;

private:
    std::size_t capacity_;
    std::atomic<std::int64_t> highest_threshold_{-1};  // -1: none yet
    mutable std::mutex mutex_;
    std::vector<report::slow_step> heap_;  // the first to go is the front
    std::uint64_t dropped_ = 0;
};

/// The records of several logs, in the order of recording.
[[nodiscard]] std::vector<report::slow_step> merged_records(
    std::span<const std::shared_ptr<const slow_log>> logs);

}  // namespace coroscope::instrumentation
