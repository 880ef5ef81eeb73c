// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/clock.hpp>
#include <coroscope/runtime/coro.hpp>

#include <chrono>
#include <coroutine>

namespace coroscope {

namespace detail {

/// Sleeps until a deadline. Completes behind what is ready when the deadline has come; never
/// inline, even for a deadline in the past.
class [[nodiscard("a sleep does nothing until it is awaited")]] sleep_awaiter final
    : public wait_node {
public:
    explicit sleep_awaiter(time_point deadline) noexcept : deadline_(deadline) {}
    explicit sleep_awaiter(duration delay) noexcept : delay_(delay), relative_(true) {}
    /// For `coro`'s sake: awaiters are made once, in place.
    [[nodiscard]] sleep_awaiter coroscope_awaiter() const noexcept {
        return relative_ ? sleep_awaiter(delay_) : sleep_awaiter(deadline_);
    }
    ~sleep_awaiter();

    [[nodiscard]] bool await_ready() const noexcept {
        return false;
    }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> suspended) {
        suspend(suspended.promise());
    }
    void await_resume() {
        task_->throw_if_cancelled();
    }
    [[nodiscard]] task_core* cancel_wait() noexcept override;

private:
    void suspend(frame_base & frame);

    task_core* task_ = nullptr;
    timer_node timer_;
    time_point deadline_{};
    duration delay_{};
    bool relative_ = false;
};

/// One trip through the ready queue.
class [[nodiscard("a yield does nothing until it is awaited")]] yield_awaiter {
public:
    [[nodiscard]] yield_awaiter coroscope_awaiter() const noexcept {
        return {};
    }
    [[nodiscard]] bool await_ready() const noexcept {
        return false;
    }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> suspended) {
        task_ = static_cast<frame_base&>(suspended.promise()).task;
        task_->loop->ready.push(ready_entry(task_));  // its record says "ready" all along
    }
    void await_resume() {
        task_->throw_if_cancelled();
    }

private:
    task_core* task_;  // set by await_suspend, which always runs
};

/// What `yield_now` returns: nothing to keep across the suspension.
struct [[nodiscard("a yield does nothing until it is awaited")]] yield_request{
    yield_request() noexcept {} [[nodiscard]] yield_awaiter coroscope_awaiter()
        const noexcept {return yield_awaiter();
}  // namespace detail
};  // namespace coroscope

}  // namespace detail

/// `co_await sleep_for(d)`: sleeps for `d` of the loop's time. Zero or less is one trip through the
/// ready queue; `duration::max()` never ends and keeps nothing else from running. Cancellation
/// ends it at once.
[[nodiscard]] inline detail::sleep_awaiter sleep_for(duration d) noexcept {
    return detail::sleep_awaiter(d);
}

/// `co_await sleep_until(t)`: sleeps until the loop's clock shows `t`.
[[nodiscard]] inline detail::sleep_awaiter sleep_until(time_point t) noexcept {
    return detail::sleep_awaiter(t);
}

/// `co_await yield_now()`: lets everything that is ready run first.
[[nodiscard]] inline detail::yield_awaiter yield_now() noexcept {
    return {};
}

}  // namespace coroscope
