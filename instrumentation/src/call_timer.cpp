// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/detail/call_timer.hpp>

#include <coroscope/runtime/detail/loop_core.hpp>
#include <coroscope/runtime/detail/task_core.hpp>
#include <coroscope/runtime/detail/tick_clock.hpp>

#include <algorithm>
#include <thread>
#include <utility>

namespace coroscope::instrumentation::detail {

using coroscope::detail::running_loop;
using coroscope::detail::tick_clock;

namespace {

/// The running loop's clock, unless that shows the time that stamps show, too.
const clock* special_clock() noexcept {
    static const clock* const usual = &system_monotonic_clock::instance();
    return running_loop != nullptr && running_loop->time != usual ? running_loop->time : nullptr;
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

/// Held for some nanoseconds by each call that ends, and while the recent calls are copied: a mutex
/// would cost a call more than all else.
class call_statistics::lock {
public:
    explicit lock(std::atomic<bool>& is_locked) noexcept : is_locked_(is_locked) {
        while (is_locked_.exchange(true, std::memory_order_acquire)) {
            std::this_thread::yield();
        }
    }
    lock(const lock&) = delete;
    lock& operator=(const lock&) = delete;
    ~lock() { is_locked_.store(false, std::memory_order_release); }

private:
    std::atomic<bool>& is_locked_;
};

call_statistics::call_statistics(std::size_t recent_calls, on_switch is_on)
    : is_on_(std::move(is_on)),
      recent_calls_(recent_calls) {
    stats_.recent.reserve(recent_calls);
}

void call_statistics::add(const report::call_record& call, duration busy,
                          call_outcome outcome) noexcept {
    const lock held(is_locked_);
    lengths_.add(call.delta);
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
        if (++oldest_ == recent_calls_) { oldest_ = 0; }
    }
}

report::time_stats call_statistics::read() const {
    report::time_stats copy;
    std::size_t oldest = 0;
    {
        const lock held(is_locked_);
        copy = stats_;
        copy.lengths = lengths_.read();
        oldest = oldest_;
    }
    std::rotate(copy.recent.begin(), copy.recent.begin() + static_cast<std::ptrdiff_t>(oldest),
                copy.recent.end());
    return copy;
}

call_timer::call_timer(call_statistics& statistics, call_outcome outcome) noexcept
    : statistics_(&statistics),
      clock_(special_clock()),
      outcome_(outcome) {
    if (clock_ != nullptr) { start_ = clock_->now(); }
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
    report::call_record call;
    if (clock_ != nullptr) {
        call.start = start_.time_since_epoch();
        call.end = clock_->now().time_since_epoch();
        call.delta = call.end - call.start;
    } else {
        call.delta = tick_clock::to_duration(stamp - std::min(start_stamp_, stamp));
        call.start = tick_clock::to_time(start_stamp_).time_since_epoch();
        call.end = call.start + call.delta;
    }
    statistics_->add(call, busy(stamp), outcome_);
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
