// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/detail/call_timer.hpp>

#include <coroscope/runtime/detail/loop_core.hpp>
#include <coroscope/runtime/detail/task_core.hpp>
#include <coroscope/runtime/detail/tick_clock.hpp>

#include <algorithm>

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

call_timer::call_timer(call_statistics& statistics, call_outcome outcome) noexcept
    : statistics_(&statistics),
      clock_(special_clock()),
      outcome_(outcome) {
    if (clock_ != nullptr) { start_ = clock_->now(); }
    start_stamp_ = tick_clock::now();
    if (running_loop != nullptr && running_loop->current != nullptr) {
        record_ = &running_loop->current->record();
        step_ = record_->sequence.load(std::memory_order_relaxed);
        earlier_ticks_ = record_->busy_ticks.load(std::memory_order_relaxed);
        step_began_ =
            running_loop->step_began != nullptr ? running_loop->step_began->get() : start_stamp_;
    }
}

call_timer::~call_timer() {
    const auto stamp = tick_clock::now();
    const auto taken = tick_clock::to_duration(tick_clock::between(start_stamp_, stamp));
    report::call_record call;
    if (clock_ != nullptr) {
        call.start = start_.time_since_epoch();
        call.end = clock_->now().time_since_epoch();
        call.delta = call.end - call.start;
    } else {
        call.delta = taken;
        call.start = tick_clock::to_time(start_stamp_).time_since_epoch();
        call.end = call.start + call.delta;
    }
    statistics_->add(call, is_in_its_first_step() ? taken : busy_in_steps(stamp), outcome_);
}

bool call_timer::is_in_its_first_step() const noexcept {
    return record_ == nullptr || record_->sequence.load(std::memory_order_relaxed) == step_;
}

/// A task's busy time is the sum of its finished steps; the call began and ends in the midst of
/// one.
duration call_timer::busy_in_steps(std::uint64_t now) const noexcept {
    auto ticks = record_->busy_ticks.load(std::memory_order_relaxed);
    if (runs_now(record_)) { ticks += step_ticks(now); }
    const auto earlier = earlier_ticks_ + tick_clock::between(step_began_, start_stamp_);
    return tick_clock::to_duration(ticks - std::min(ticks, earlier));
}

}  // namespace coroscope::instrumentation::detail
