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
class [[nodiscard]] sleep_awaiter : public wait_node {
public:
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    void await_resume() { task().throw_if_cancelled(); }
    [[nodiscard]] task_core* cancel_wait() noexcept override;

protected:
    sleep_awaiter() = default;
    ~sleep_awaiter();
    void sleep_until(frame_base& frame, time_point deadline);
    void sleep_for(frame_base& frame, duration delay);

private:
    void begin(time_point deadline, time_point now);
    [[nodiscard]] task_core& task() const noexcept { return *timer_.target.task(); }

    timer_node timer_;  ///< its target is the task from the beginning
};

/// What `sleep_for` returns; its awaiter is what a sleeping frame has to hold.
struct [[nodiscard("a sleep does nothing until it is awaited")]] sleep_for_request {
    class awaiter final : public sleep_awaiter {
    public:
        explicit awaiter(duration d) noexcept : delay_(d) {}
        template <class Promise>
        void await_suspend(std::coroutine_handle<Promise> suspended) {
            sleep_for(suspended.promise(), delay_);
        }

    private:
        duration delay_;
    };

    duration delay;
    [[nodiscard]] awaiter coroscope_awaiter() const noexcept {
        return awaiter(delay);
    }
};

/// What `sleep_until` returns.
struct [[nodiscard("a sleep does nothing until it is awaited")]] sleep_until_request {
    class awaiter final : public sleep_awaiter {
    public:
        explicit awaiter(time_point t) noexcept : deadline_(t) {}
        template <class Promise>
        void await_suspend(std::coroutine_handle<Promise> suspended) {
            sleep_until(suspended.promise(), deadline_);
        }

    private:
        time_point deadline_;
    };

    time_point deadline;
    [[nodiscard]] awaiter coroscope_awaiter() const noexcept {
        return awaiter(deadline);
    }
};

/// One trip through the ready queue.
class [[nodiscard]] yield_awaiter {
public:
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> suspended) {
        task_ = static_cast<frame_base&>(suspended.promise()).task;
        task_->loop->ready.push(ready_entry(task_));  // its record says "ready" all along
    }
    void await_resume() { task_->throw_if_cancelled(); }

private:
    task_core* task_;  // set by await_suspend, which always runs
};

/// What `yield_now` returns: nothing to keep across the suspension.
class [[nodiscard]] yield_request {
public:
    [[nodiscard]] yield_awaiter coroscope_awaiter() const noexcept { return {}; }
};

}  // namespace detail

/// `co_await sleep_for(d)`: sleeps for `d` of the loop's time. Zero or less is one trip through the
/// ready queue; `duration::max()` never ends and keeps nothing else from running. Cancellation
/// ends it at once.
[[nodiscard]] inline detail::sleep_for_request sleep_for(duration d) noexcept {
    return {d};
}

/// `co_await sleep_until(t)`: sleeps until the loop's clock shows `t`.
[[nodiscard]] inline detail::sleep_until_request sleep_until(time_point t) noexcept {
    return {t};
}

/// `co_await yield_now()`: lets everything that is ready run first.
[[nodiscard]] inline detail::yield_request yield_now() noexcept {
    return {};
}

}  // namespace coroscope
