// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/sleep.hpp>

namespace coroscope::detail {

sleep_awaiter::~sleep_awaiter() {
    if (timer_.armed()) { task_->loop->timers.disarm(timer_); }
}

void sleep_awaiter::suspend(frame_base& frame) {
    task_ = frame.task;
    if (task_->must_cancel) {
        task_->wake();  // to throw, one trip through the queue later
        return;
    }
    auto& core = *task_->loop;
    const auto now = core.time->now();
    if (relative_) { deadline_ = saturating_add(now, delay_); }
    task_->begin_wait(*this, wait_kind::sleep, 0, deadline_.time_since_epoch().count());
    timer_.target = ready_entry(task_);
    core.arm(timer_, deadline_, now);
}

task_core* sleep_awaiter::cancel_wait() noexcept {
    task_->loop->timers.disarm(timer_);
    task_->wake_cancelled();
    return nullptr;
}

}  // namespace coroscope::detail
