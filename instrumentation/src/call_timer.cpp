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
    if (clock_ != nullptr) [[unlikely]] { start_ = clock_->now(); }
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
    ended_call call;
    call.outcome = outcome_;
    const auto ticks = stamp - std::min(start_stamp_, stamp);
    call.busy_ticks =
        static_cast<std::int64_t>(is_in_its_first_step() ? ticks : ticks_in_steps(stamp));
    if (clock_ == nullptr) {
        call.start = static_cast<std::int64_t>(start_stamp_);
        call.delta = static_cast<std::int64_t>(ticks);
    } else {
        call.has_stamps = false;
        call.start = start_.time_since_epoch().count();
        call.delta = (clock_->now() - start_).count();
    }
    statistics_->add(call);
}

bool call_timer::is_in_its_first_step() const noexcept {
    return record_ == nullptr || record_->sequence.load(std::memory_order_relaxed) == step_;
}

/// A task's busy time is the sum of its finished steps; the call began and ends in the midst of
/// one.
std::uint64_t call_timer::ticks_in_steps(std::uint64_t now) const noexcept {
    auto ticks = record_->busy_ticks.load(std::memory_order_relaxed);
    if (runs_now(record_)) { ticks += step_ticks(now); }
    const auto earlier = earlier_ticks_ + tick_clock::between(step_began_, start_stamp_);
    return ticks - std::min(ticks, earlier);
}

}  // namespace coroscope::instrumentation::detail
