// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/detail/call_timer.hpp>

#include <coroscope/runtime/detail/loop_core.hpp>
#include <coroscope/runtime/detail/task_core.hpp>
#include <coroscope/runtime/detail/tick_clock.hpp>

#include <algorithm>
#include <utility>

namespace coroscope::instrumentation::detail {

using coroscope::detail::running_loop;
using coroscope::detail::tick_clock;

namespace {

time_point now_of(const clock* loop_clock) noexcept {
    return loop_clock != nullptr
               ? loop_clock->now()
               : std::chrono::time_point_cast<duration>(std::chrono::steady_clock::now());
}

bool runs_now(const task_record* record) noexcept {
    return running_loop != nullptr && running_loop->current != nullptr
           && &running_loop->current->record() == record;
}

/// What the running step of this thread's loop has taken so far.
std::uint64_t step_ticks(std::uint64_t now) noexcept {
    const auto* began = running_loop->step_began;
    return began != nullptr ? tick_clock::between(*began, now) : 0;
}

}  // namespace

call_statistics::call_statistics(std::size_t recent_calls) : recent_calls_(recent_calls) {
    stats_.recent.reserve(recent_calls);
}

void call_statistics::add(const report::call_record& call, duration busy,
                          call_outcome outcome) noexcept {
    const std::lock_guard lock(mutex_);
    auto& s = stats_;
    s.min = s.calls == 0 ? call.delta : std::min(s.min, call.delta);
    s.max = std::max(s.max, call.delta);
    s.last = call.delta;
    s.total += call.delta;
    s.busy += busy;
    ++s.calls;
    switch (outcome) {
    case call_outcome::returned: ++s.returned; break;
    case call_outcome::threw: ++s.threw; break;
    case call_outcome::cancelled: ++s.cancelled; break;
    }
    if (s.recent.size() < recent_calls_) {
        s.recent.push_back(call);  // reserved
        return;
    }
    ++s.recent_dropped;
    if (recent_calls_ != 0) {
        s.recent[oldest_] = call;
        oldest_ = (oldest_ + 1) % recent_calls_;
    }
}

report::time_stats call_statistics::read() const {
    report::time_stats copy;
    std::size_t oldest = 0;
    {
        const std::lock_guard lock(mutex_);
        copy = stats_;
        oldest = oldest_;
    }
    std::rotate(copy.recent.begin(), copy.recent.begin() + static_cast<std::ptrdiff_t>(oldest),
                copy.recent.end());
    return copy;
}

call_timer::call_timer(std::shared_ptr<call_statistics> statistics, call_outcome outcome) noexcept
    : statistics_(std::move(statistics)),
      clock_(running_loop != nullptr ? running_loop->time : nullptr),
      outcome_(outcome) {
    start_ = now_of(clock_);
    start_stamp_ = tick_clock::now();
    if (running_loop != nullptr && running_loop->current != nullptr) {
        record_ = &running_loop->current->record();
        step_ = record_->sequence.load(std::memory_order_relaxed);
        earlier_ticks_ =
            record_->busy_ticks.load(std::memory_order_relaxed) + step_ticks(start_stamp_);
    }
}

call_timer::~call_timer() {
    const auto stamp = tick_clock::now();
    const auto end = now_of(clock_);
    statistics_->add({start_.time_since_epoch(), end.time_since_epoch(), end - start_}, busy(stamp),
                     outcome_);
}

/// A task's busy time is the sum of its finished steps; the call began and ends in the midst of
/// one.
duration call_timer::busy(std::uint64_t now) const noexcept {
    if (record_ == nullptr || record_->sequence.load(std::memory_order_relaxed) == step_) {
        return tick_clock::to_duration(tick_clock::between(start_stamp_, now));
    }
    auto ticks = record_->busy_ticks.load(std::memory_order_relaxed);
    if (runs_now(record_)) { ticks += step_ticks(now); }
    return tick_clock::to_duration(ticks - std::min(ticks, earlier_ticks_));
}

}  // namespace coroscope::instrumentation::detail
