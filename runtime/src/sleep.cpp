// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/sleep.hpp>

#include <coroscope/runtime/detail/sleep_hook.hpp>

namespace coroscope::detail {

sleep_awaiter::~sleep_awaiter() {
    if (timer_.armed()) { task().loop->timers.disarm(timer_); }
}

void sleep_awaiter::sleep_until(frame_base& frame, time_point deadline) {
    timer_.target = ready_entry(frame.task);
    begin(deadline, task().loop->time->now());
}

void sleep_awaiter::sleep_for(frame_base& frame, duration delay) {
    timer_.target = ready_entry(frame.task);
    const auto now = task().loop->time->now();
    begin(saturating_add(now, delay), now);
}

void sleep_awaiter::begin(time_point deadline, time_point now) {
    auto& sleeper = task();
    if (sleeper.must_cancel) {
        sleeper.wake();  // to throw, one trip through the queue later
        return;
    }
    auto* const hook = sleeper.loop->sleeps;
    if (hook != nullptr && hook->skips(sleeper, deadline, now)) [[unlikely]] { deadline = now; }
    sleeper.begin_wait(*this, wait_kind::sleep, 0, deadline.time_since_epoch().count());
    sleeper.loop->arm(timer_, deadline, now);
}

task_core* sleep_awaiter::cancel_wait() noexcept {
    auto& sleeper = task();
    sleeper.loop->timers.disarm(timer_);
    sleeper.wake_cancelled();
    return nullptr;
}

}  // namespace coroscope::detail
