// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/clock.hpp>
#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/detail/wait_list.hpp>

#include <cstddef>

namespace coroscope {

class timer;

namespace detail {

/// One wait for a timer. It stays in the timer's list until its task goes on, so that a wait whose
/// time has come can still be cancelled before.
class timer_awaiter final : public wait_node {
public:
    using result = bool;
    timer_awaiter(timer& t, await_site where) noexcept : timer_(&t), where_(where) {}
    ~timer_awaiter();

    [[nodiscard]] bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> suspended) {
        suspend(suspended.promise());
    }
    [[nodiscard]] bool await_resume();
    [[nodiscard]] task_core* cancel_wait() noexcept override;

private:
    friend class coroscope::timer;

    void suspend(frame_base& frame);
    void arm(time_point expiry);
    void disarm() noexcept;
    [[nodiscard]] bool still_waits() const noexcept { return task_->waiting_on == this; }

    timer* timer_;  ///< null once it is out of that one's list
    timer_awaiter* previous_ = nullptr;
    timer_awaiter* next_ = nullptr;
    task_core* task_ = nullptr;
    timer_node node_;
    await_site where_;
    bool was_cancelled_ = false;
};

}  // namespace detail

/// An instant that can be moved and called off while tasks wait for it, as Asio's timers can.
///
///     coroscope::timer silence;
///     silence.expires_after(30s);
///     const bool expired = co_await silence.wait();  // false: cancelled
///     // elsewhere, whenever the peer says something:
///     silence.reset(30s);
///
/// Use `sleep_for` and `wait_for` where nobody needs to move the instant.
///
/// **Completes when** the instant has come, with true: behind what is ready then, never inline, in
/// the order in which the waits began; or when `cancel`, `expires_after`, `expires_at` or the
/// destructor takes the wait back, with false. A wait that is taken back after its time has come
/// and before its task has run is cancelled: there is exactly one completion, and it says so.
/// **Cancellation** of the task ends its wait with `cancelled_error`. **May overlap**: any number
/// of tasks may wait. A new timer has expired.
/// **Thread safety**: the tasks and callbacks of one loop. **Lifetime**: its destructor cancels the
/// waits. **Cost**: a wait is a sleep, without allocation; `reset` and `cancel` take time in
/// proportion to the waits.
class timer {
public:
    timer() = default;
    timer(const timer&) = delete;
    timer& operator=(const timer&) = delete;
    ~timer() {
        cancel();
        detail::note_end_of_life(this, sizeof(*this));
    }

    /// Cancels the waits, and sets the instant for those to come. Returns how many were cancelled.
    /// The first throws `std::logic_error` where no loop runs.
    std::size_t expires_after(duration d);
    std::size_t expires_at(time_point t) noexcept;
    [[nodiscard]] time_point expiry() const noexcept {
        detail::note_use(this, detail::access_kind::test);
        return expiry_;
    }

    /// Moves the instant, earlier or later, and the waits with it: whoever waits goes on to wait,
    /// until then; if that is past already, they are ready at once. A timer that has expired is
    /// armed again for the waits to come. Returns how many waits were moved.
    std::size_t reset(time_point t);
    /// The same, `d` from now. Throws `std::logic_error` where no loop runs.
    std::size_t reset(duration d);

    /// Ends the waits; returns how many. The instant stays.
    std::size_t cancel() noexcept;

    /// `co_await t.wait()`: true if the instant has come, false if the wait was cancelled.
    [[nodiscard]] auto wait(await_site where = await_site::current()) noexcept {
        return detail::wait_request<detail::timer_awaiter, timer>(*this, where);
    }

private:
    friend class detail::timer_awaiter;
    void add(detail::timer_awaiter& waiter) noexcept;
    void remove(detail::timer_awaiter& waiter) noexcept;

    detail::timer_awaiter* first_ = nullptr;
    detail::timer_awaiter* last_ = nullptr;
    time_point expiry_{};
};

}  // namespace coroscope
