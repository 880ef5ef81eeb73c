// SPDX-License-Identifier: Apache-2.0
#include "clock_watcher.hpp"

#include <coroscope/testkit/fake_clock.hpp>

#include <coroscope/runtime/loop.hpp>

#include <algorithm>
#include <iostream>
#include <mutex>
#include <stdexcept>
#include <utility>

// How a fake clock waits for what is real: executor jobs, other threads, I/O.

namespace coroscope::testkit {

using kind = idle_action::kind;

namespace {

/// Takes in what other threads have posted, and comes back.
[[nodiscard]] idle_action look_again() noexcept {
    idle_action action;
    action.what = kind::wait;
    action.limit = duration::zero();
    return action;
}

[[nodiscard]] bool waits_for_io(const coroscope::detail::task_core& task) noexcept {
    const auto& record = task.record();
    return record.state.load(std::memory_order_relaxed) == task_state::waiting
           && record.waits_for.load(std::memory_order_relaxed) == wait_kind::io;
}

}  // namespace

/// Decides whether virtual time has to wait for something real; empty if not.
std::optional<idle_action> fake_clock::wait_for_external(const idle_state& state,
                                                         const std::optional<time_point>& next) {
    using policy_kind = testkit::io_policy::kind;
    const bool has_io = state.io_operations > 0;
    bool has_jobs = state.jobs > 0;
    {
        const std::lock_guard lock(external_->mutex);
        has_jobs = has_jobs || external_->count > 0;
        if (std::exchange(external_->was_released, false)) {
            return look_again();  // what its owner posted may have come after the loop last looked
        }
    }
    if (!has_jobs && !has_io) { return {}; }
    if (has_io && policy_.what() == policy_kind::forbid) {
        throw std::logic_error("I/O is in flight, which io_policy::forbid does not allow: "
                               + describe_io());
    }
    const auto real_now = std::chrono::steady_clock::now();
    if (!waiting_since_.has_value()) { waiting_since_ = real_now; }
    const auto waited = std::chrono::duration_cast<duration>(real_now - *waiting_since_);
    if (supervisor_ != nullptr && idle_timeout_.has_value() && waited >= *idle_timeout_) {
        waiting_since_.reset();
        supervisor_->on_idle_timeout();
        return after_move();
    }
    if (policy_.what() == policy_kind::step && next.has_value()) {
        if (waited < policy_.length()) { return wait_in_real_time(waited, policy_.length()); }
        waiting_since_.reset();
        return go_to(std::min(saturating_add(now(), policy_.length()), *next));
    }
    const bool wants_idle = std::ranges::any_of(
        drives_, [](const auto* d) { return d->what == detail::clock_drive::aim::idle; });
    if (has_jobs || (!next.has_value() && !wants_idle)) { return wait_in_real_time(waited); }
    if (policy_.what() == policy_kind::ignore) { return {}; }
    return hold_for_io(waited);
}

/// Only I/O stands against moving on in virtual time.
std::optional<idle_action> fake_clock::hold_for_io(duration waited) {
    const auto fingerprint = io_fingerprint();
    if (given_up_on_ == fingerprint) { return {}; }
    if (waited < policy_.length()) { return wait_in_real_time(waited, policy_.length()); }
    given_up_on_ = fingerprint;
    if (supervisor_ != nullptr) {
        supervisor_->on_hold_given_up(describe_io());
    } else {
        std::cerr << "coroscope: virtual time goes on though I/O is in flight: " + describe_io()
                         + "\n"
                  << std::flush;
    }
    return {};
}

idle_action fake_clock::wait_in_real_time(duration waited, std::optional<duration> limit) const {
    if (supervisor_ != nullptr && idle_timeout_.has_value()) {
        limit = limit.has_value() ? std::min(*limit, *idle_timeout_) : *idle_timeout_;
    }
    idle_action action;
    action.what = kind::wait;
    if (limit.has_value()) { action.limit = std::max(*limit - waited, duration::zero()); }
    return action;
}

idle_action fake_clock::stuck(const idle_state& state) {
    if (!confirmed_stuck_) {  // once more, for mail that came meanwhile
        confirmed_stuck_ = true;
        return look_again();
    }
    if (supervisor_ != nullptr) {
        confirmed_stuck_ = false;
        return supervisor_->on_stuck(state);
    }
    return {};  // another thread may post something
}

/// Changes whenever another operation is awaited, or another task awaits one. Never 0.
std::uint64_t fake_clock::io_fingerprint() const noexcept {
    constexpr std::uint64_t prime = 1099511628211U;
    std::uint64_t hash = 14695981039346656037U;
    for (const auto* task = loop_->core().first_task; task != nullptr; task = task->next) {
        if (waits_for_io(*task)) {
            hash = (hash ^ task->record().wait_object.load(std::memory_order_relaxed)) * prime;
        }
    }
    return hash | 1U;
}

std::string fake_clock::describe_io() const {
    std::string text;
    for (const auto* task = loop_->core().first_task; task != nullptr; task = task->next) {
        if (!waits_for_io(*task)) { continue; }
        text += (text.empty() ? "task " : ", task ") + std::to_string(task->id()) + " ("
                + display_name(task->id(), task->given_name()) + ") at "
                + to_string(task->record().site.load(std::memory_order_relaxed));
    }
    return text.empty() ? "an operation, descriptor or signal that no task awaits" : text;
}

// --- Tokens

outstanding_work::outstanding_work(fake_clock& clock) : state_(clock.external_) {
    const std::lock_guard lock(state_->mutex);
    ++state_->count;
}

outstanding_work::~outstanding_work() {
    if (state_ == nullptr) { return; }
    std::shared_ptr<coroscope::detail::inbox> mail;
    {
        const std::lock_guard lock(state_->mutex);
        --state_->count;
        state_->was_released = true;
        mail = state_->mail.lock();
    }
    // Wakes the loop, which may be waiting for this.
    if (mail != nullptr) {
        coroscope::detail::post_mail(*mail, [] {});
    }
}

// --- Awaiting a move

clock_move::clock_move(clock_move&& other) noexcept
    : clock_(other.clock_),
      drive_(std::move(other.drive_)),
      is_done_(std::exchange(other.is_done_, true)),
      where_(other.where_) {}

clock_move::~clock_move() {
    if (is_done_ || clock_->loop_ == nullptr) { return; }
    exception_context context;
    context.message =
        "a task told its fake clock to move but did not await that, so time has not "
        "moved; write co_await";
    context.created_at = where_;
    clock_->loop_->call_exception_handler(context);
}

detail::clock_awaiter clock_move::coroscope_awaiter() && {
    const bool done = std::exchange(is_done_, true);
    return {*clock_, drive_, done};
}

namespace detail {

clock_awaiter::~clock_awaiter() {
    if (task_ != nullptr && !drive_.done) { clock_->drop(drive_); }
}

void clock_awaiter::suspend(const coroscope::detail::frame_base& frame) {
    task_ = frame.task;
    drive_.waiting = task_;
    clock_->enlist(drive_);
    task_->begin_wait(*this, wait_kind::clock, 0);
}

void clock_awaiter::await_resume() {
    if (task_ == nullptr) { return; }
    task_->throw_if_cancelled();
    clock_->finish(drive_);
}

coroscope::detail::task_core* clock_awaiter::cancel_wait() noexcept {
    clock_->drop(drive_);
    task_->wake_cancelled();
    return nullptr;
}

}  // namespace detail
}  // namespace coroscope::testkit
