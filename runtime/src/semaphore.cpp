// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/semaphore.hpp>

#include <coroscope/runtime/error.hpp>

#include <exception>
#include <limits>
#include <string>

namespace coroscope {

void semaphore::release(std::size_t n, await_site where) {
    if (n > std::numeric_limits<std::size_t>::max() - value_) {
        throw invalid_state_error("semaphore " + std::to_string(id()) + " cannot count "
                                  + std::to_string(n) + " more permits, released at "
                                  + to_string(where) + "; release what was acquired");
    }
    waiters_.expect_thread("semaphore::release");
    is_lock_ = is_lock_ && n == 1 && value_ == 0;
    made_ += n;
    note(detail::access_kind::release, true, detail::lock_use::permit, where, n == 1 ? made_ : 0);
    hand_over(n);
}

void semaphore::tell(detail::access_kind kind, bool changes, detail::lock_use how, await_site where,
                     std::uint64_t number) noexcept {
    if (detail::running_loop != nullptr) { waiters_.identify(*detail::running_loop); }
    detail::access made{&waiters_, 0, kind, where, nullptr, changes};
    made.lock = is_lock_ ? how : detail::lock_use::none;
    made.id = is_lock_ ? id() : number;
    if (kind == detail::access_kind::test && !changes) {
        made.refused = "semaphore";
        made.id = id();
    }
    detail::access_listener->on_access(made);
}

void semaphore::hand_over(std::size_t n) noexcept {
    for (; n > 0 && waiters_.wake_first() != nullptr; --n) {}
    if (n > 0) { detail::remark_passage("semaphore::release", id(), {}); }
    value_ += n;
}

void bounded_semaphore::release(std::size_t n, await_site where) {
    const auto acquired = bound_ - value();
    if (n > acquired) {
        throw invalid_state_error("bounded semaphore " + std::to_string(id()) + " was released by "
                                  + detail::describe_current_task() + " at " + to_string(where)
                                  + " above its bound: " + std::to_string(n) + " of "
                                  + std::to_string(acquired) + " acquired, " + std::to_string(bound_)
                                  + " in all; release() once for each acquire(), or use scoped(), "
                                    "which does so by itself");
    }
    semaphore::release(n, where);
}

void scoped_permit::release() {
    if (held_ == nullptr) {
        throw invalid_state_error(
            "a scoped_permit was released that holds nothing; it was released before, moved from, "
            "or never had a semaphore (owns_permit() tells)");
    }
    std::exchange(held_, nullptr)->release(1, where_);
}

void scoped_permit::give_back() noexcept {
    if (held_ == nullptr) { return; }
    try {
        release();
    } catch (...) { detail::report_misuse(std::current_exception(), where_); }
}

namespace detail {

void semaphore_waiter::suspend(frame_base& frame) {
    semaphore_->note(access_kind::test, true, lock_use::permit, where_);  // a place in its line
    enter(semaphore_->waiters_, frame, where_);
}

void semaphore_waiter::pass_on() noexcept {
    semaphore_->note(access_kind::release, true, lock_use::permit, where_);
    semaphore_->hand_over(1);
}

void semaphore_waiter::note_handed_over() const noexcept {
    ++semaphore_->taken_;
    semaphore_->note(access_kind::acquire, false, lock_use::permit, where_, semaphore_->taken_);
}

}  // namespace detail
}  // namespace coroscope
