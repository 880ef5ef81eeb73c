// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/mutex.hpp>

#include <coroscope/runtime/error.hpp>

#include <exception>
#include <string>

namespace coroscope {

bool mutex::try_lock(await_site where) noexcept {
    return take(where, detail::lock_use::try_lock);
}

bool mutex::take(await_site where, detail::lock_use how) noexcept {
    if (locked_) {
        detail::note_refusal(this, "mutex", waiters_.id(), how, where);
        return false;
    }
    locked_ = true;
    owner_ = detail::lock_owner::current();
    locked_at_ = where;
    if (detail::running_loop != nullptr) { waiters_.identify(*detail::running_loop); }
    note(detail::access_kind::acquire, true, where, how);
    return true;
}

void mutex::unlock() {
    if (!locked_) {
        throw invalid_state_error("mutex " + std::to_string(waiters_.id()) + " was unlocked by "
                                  + detail::describe_current_task()
                                  + " while nobody held it; unlock() it once for each lock(), or "
                                    "use scoped(), which does so by itself");
    }
    waiters_.expect_thread("mutex::unlock");
    hand_over();
}

void mutex::hand_over() noexcept {
    note(detail::access_kind::release, true, locked_at_);
    auto* next = static_cast<detail::mutex_waiter*>(waiters_.wake_first());
    if (next == nullptr) {
        detail::remark_passage("mutex::unlock", waiters_.id(), locked_at_);
        locked_ = false;
        owner_ = {};
        locked_at_ = {};
        return;
    }
    locked_ = true;
    owner_ = detail::lock_owner::of(next->task());
    locked_at_ = next->where();
}

void mutex::admit(detail::mutex_waiter& waiter) noexcept {
    detail::note_change(this, waiter.where());
    waiters_.add_again(waiter);
    waiter.task().record().wait_detail.store(owner_address(), std::memory_order_release);
    if (!locked_) { hand_over(); }
}

void mutex::throw_locked_twice(await_site where) const {
    throw invalid_state_error("mutex " + std::to_string(waiters_.id()) + " was locked at "
                              + to_string(where) + " by " + detail::describe_current_task()
                              + ", which holds it since it locked it at " + to_string(locked_at_)
                              + " and would wait for itself for ever; unlock() it first");
}

void scoped_lock::unlock() {
    if (held_ == nullptr) {
        throw invalid_state_error(
            "a scoped_lock was unlocked that holds nothing; it was unlocked before, moved from, or "
            "never had a mutex (owns_lock() tells)");
    }
    std::exchange(held_, nullptr)->unlock();
}

void scoped_lock::give_back() noexcept {
    if (held_ == nullptr) { return; }
    const auto where = held_->locked_at_;
    try {
        unlock();
    } catch (...) { detail::report_misuse(std::current_exception(), where); }
}

namespace detail {

// One that waits for a condition's notification is in another list.
std::uint64_t mutex_waiter::held_by() const noexcept {
    return list() == &mutex_->waiters_ ? mutex_->owner_.task : 0;
}

await_site mutex_waiter::held_since() const noexcept {
    return list() == &mutex_->waiters_ ? mutex_->locked_at_ : await_site();
}

void mutex_waiter::pass_on() noexcept {
    mutex_->hand_over();
}

bool lock_awaiter_base::await_ready() const {
    if (mutex_->take(where_, lock_use::lock)) [[likely]] { return true; }
    if (mutex_->locked_by_current()) [[unlikely]] { mutex_->throw_locked_twice(where_); }
    return false;
}

void lock_awaiter_base::suspend(frame_base& frame) {
    mutex_->note(access_kind::test, true, where_);  // a place in its line
    enter(mutex_->waiters_, frame, where_);
    frame.task->record().wait_detail.store(mutex_->owner_address(), std::memory_order_release);
}

}  // namespace detail
}  // namespace coroscope
