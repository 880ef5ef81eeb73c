// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/condition.hpp>

#include <coroscope/runtime/error.hpp>

#include <string>

namespace coroscope {

void condition::notify(std::size_t n, await_site where) {
    expect_held("condition::notify", where);
    detail::note_use(&waiters_, detail::access_kind::release, where);
    notify_waiters(n);
}

void condition::notify_waiters(std::size_t n) noexcept {
    for (; n > 0 && !waiters_.empty(); --n) {
        auto& waiter = static_cast<detail::condition_awaiter&>(*waiters_.first());
        waiter.notified_ = true;
        waiters_.note_edge(waiter);
        detail::note_change(mutex_, waiter.where());
        waiters_.move_to(mutex_->waiters_, waiter);
    }
}

void condition::expect_held(const char* what, await_site where) const {
    if (mutex_->locked_by_current()) [[likely]] { return; }
    std::string held = "nobody holds it";
    if (mutex_->locked()) {
        held = mutex_->owner() == 0 ? "a callback" : "task " + std::to_string(mutex_->owner());
        held += " holds it since " + to_string(mutex_->locked_at());
    }
    throw invalid_state_error(std::string(what) + " was called at " + to_string(where) + " by "
                              + detail::describe_current_task()
                              + ", which does not hold the condition's mutex (" + held
                              + "); lock it first, as in `const auto lock = co_await c.scoped()`");
}

namespace detail {

condition_awaiter::condition_awaiter(condition& c, await_site where) noexcept
    : mutex_waiter(c.used_mutex(), where),
      condition_(&c) {}

bool condition_awaiter::await_ready() const {
    condition_->expect_held("condition::wait", where_);
    return false;
}

void condition_awaiter::suspend(frame_base& frame) {
    note_change(&condition_->waiters_, where_);
    enter(condition_->waiters_, frame, where_);
    mutex_->hand_over();
}

// Whoever is cancelled while it waits for a notification waits for the mutex from then on.
void condition_awaiter::stop_waiting(const wait_list& from) noexcept {
    if (&from == &condition_->waiters_) {
        task().must_cancel = true;
        mutex_->admit(*this);
    } else {
        task().wake_cancelled();  // the mutex was destroyed
    }
}

task_core* condition_awaiter::cancel_wait() noexcept {
    if (list() == &condition_->waiters_) { return list_waiter::cancel_wait(); }
    task().must_cancel = true;  // thrown once it has the mutex
    return nullptr;
}

void condition_awaiter::await_resume() {
    const bool holds_mutex = settle();
    if (holds_mutex) { note_passage(mutex_, where_); }
    if (notified_) { note_passage(&condition_->waiters_, where_); }
    if (task().must_cancel || !notified_) [[unlikely]] {
        if (holds_mutex && notified_) {
            note_change(&condition_->waiters_, where_);
            condition_->notify_waiters(1);
        }
        throw_cancelled(false);  // with the mutex held
    }
}

}  // namespace detail
}  // namespace coroscope
