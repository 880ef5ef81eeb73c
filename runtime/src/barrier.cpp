// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/barrier.hpp>

#include <coroscope/runtime/error.hpp>

#include <stdexcept>
#include <string>

namespace coroscope {

using detail::barrier_awaiter;

barrier::barrier(std::size_t parties) : parties_(parties) {
    if (parties == 0) { throw std::invalid_argument("a barrier needs at least one party, got 0"); }
}

/// The round is complete: lets go those who wait, and then the next round's come in.
void barrier::open() noexcept {
    state_ = state::draining;
    for (std::size_t i = 0; !arrived_.empty(); ++i) {
        auto& waiter = static_cast<barrier_awaiter&>(*arrived_.wake_first());
        waiter.index_ = i;
        waiter.counted_ = true;
        ++leaving_;
    }
    if (leaving_ == 0) { state_ = state::filling; }
}

void barrier::break_round() noexcept {
    arrived_.for_each_chosen(
        [](detail::list_waiter& w) { static_cast<barrier_awaiter&>(w).broken_ = true; });
    while (!arrived_.empty()) {
        auto& waiter = static_cast<barrier_awaiter&>(*arrived_.wake_first());
        waiter.broken_ = true;
        waiter.counted_ = true;
        ++leaving_;
    }
}

void barrier::leave() noexcept {
    --leaving_;
    if (leaving_ > 0 || state_ == state::broken) { return; }
    state_ = state::filling;
    while (state_ == state::filling && !blocked_.empty()) {
        blocked_.move_to(arrived_, *blocked_.first());
        if (arrived_.size() == parties_) { open(); }
    }
}

void barrier::reset() {
    arrived_.expect_thread("barrier::reset");
    note(detail::access_kind::release);
    break_round();
    state_ = leaving_ > 0 ? state::resetting : state::filling;
}

void barrier::abort() {
    arrived_.expect_thread("barrier::abort");
    note(detail::access_kind::release);
    break_round();
    state_ = state::broken;
    while (!blocked_.empty()) {
        static_cast<barrier_awaiter&>(*blocked_.wake_first()).broken_ = true;
    }
}

namespace detail {

bool barrier_awaiter::await_ready() {
    auto& b = *barrier_;
    b.note(access_kind::release, where_);  // what came before it comes before all who go on
    if (b.state_ == barrier::state::broken) {
        broken_ = true;
        return true;
    }
    if (b.state_ != barrier::state::filling || b.arrived_.size() + 1 < b.parties_) { return false; }
    index_ = b.parties_ - 1;
    b.open();
    b.note(access_kind::acquire, where_);
    return true;
}

void barrier_awaiter::suspend(frame_base& frame) {
    auto& b = *barrier_;
    b.arrived_.identify(*frame.task->loop);
    b.blocked_.share_id(b.arrived_);
    enter(b.state_ == barrier::state::filling ? b.arrived_ : b.blocked_, frame, where_);
}

std::size_t barrier_awaiter::await_resume() {
    if (waited()) {
        const bool is_inside = settle();
        if (is_inside) {
            barrier_->note(access_kind::acquire, where_);
            pass_on();
        }
        if (task().must_cancel || !chosen()) [[unlikely]] { throw_cancelled(false); }
    }
    if (broken_) {
        throw broken_barrier_error("the barrier waited for at " + to_string(where_)
                                   + " was aborted or reset; reset() makes it whole again");
    }
    return index_;
}

task_core* barrier_awaiter::cancel_wait() noexcept {
    note_change(&barrier_->arrived_, where_);
    return list_waiter::cancel_wait();
}

void barrier_awaiter::pass_on() noexcept {
    if (!counted_) { return; }
    note_change(&barrier_->arrived_, where_);
    barrier_->leave();
}

}  // namespace detail
}  // namespace coroscope
