// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/timer.hpp>

#include <coroscope/runtime/loop.hpp>

namespace coroscope {
namespace detail {

timer_awaiter::~timer_awaiter() {
    disarm();
    if (timer_ != nullptr && task_ != nullptr) { timer_->remove(*this); }
}

void timer_awaiter::suspend(frame_base& frame) {
    note_use(timer_, access_kind::test, where_);
    frame.site = where_;
    task_ = frame.task;
    timer_->add(*this);
    node_.target = ready_entry(task_);
    if (task_->must_cancel) {
        task_->wake();  // to throw, one trip through the queue later
        return;
    }
    task_->begin_wait(*this, wait_kind::sleep, 0);
    arm(timer_->expiry_);
}

void timer_awaiter::arm(time_point expiry) {
    task_->record().wait_detail.store(expiry.time_since_epoch().count(), std::memory_order_release);
    task_->loop->arm(node_, expiry, task_->loop->time->now());
}

void timer_awaiter::disarm() noexcept {
    if (node_.armed()) { task_->loop->timers.disarm(node_); }
}

bool timer_awaiter::await_resume() {
    if (timer_ != nullptr) {
        note_use(timer_, access_kind::test, where_);
        timer_->remove(*this);
    }
    task_->throw_if_cancelled();
    return !was_cancelled_;
}

task_core* timer_awaiter::cancel_wait() noexcept {
    disarm();
    timer_->remove(*this);
    task_->wake_cancelled();
    return nullptr;
}

}  // namespace detail

std::size_t timer::expires_after(duration d) {
    return expires_at(saturating_add(get_running_loop().time(), d));
}

std::size_t timer::expires_at(time_point t) noexcept {
    expiry_ = t;
    return cancel();
}

std::size_t timer::reset(duration d) {
    return reset(saturating_add(get_running_loop().time(), d));
}

std::size_t timer::reset(time_point t) {
    detail::note_change(this);
    expiry_ = t;
    std::size_t moved = 0;
    for (auto* each = first_; each != nullptr; each = each->next_) {
        if (!each->still_waits()) { continue; }  // its time has come before
        each->disarm();
        each->arm(t);
        ++moved;
    }
    return moved;
}

std::size_t timer::cancel() noexcept {
    detail::note_change(this);
    std::size_t cancelled = 0;
    while (first_ != nullptr) {
        auto& each = *first_;
        remove(each);
        each.was_cancelled_ = true;
        if (each.still_waits()) {
            each.disarm();
            each.task_->wake();
        }
        ++cancelled;
    }
    return cancelled;
}

void timer::add(detail::timer_awaiter& waiter) noexcept {
    waiter.previous_ = last_;
    (last_ != nullptr ? last_->next_ : first_) = &waiter;
    last_ = &waiter;
}

void timer::remove(detail::timer_awaiter& waiter) noexcept {
    (waiter.previous_ != nullptr ? waiter.previous_->next_ : first_) = waiter.next_;
    (waiter.next_ != nullptr ? waiter.next_->previous_ : last_) = waiter.previous_;
    waiter.timer_ = nullptr;
}

}  // namespace coroscope
