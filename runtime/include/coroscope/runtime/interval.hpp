// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/clock.hpp>
#include <coroscope/runtime/sleep.hpp>

#include <cstdint>

namespace coroscope {

class interval;

/// What an `interval` does about ticks whose time passed while nobody waited: for a period of 10 s
/// and a task that comes back at 25 s, having taken the tick of 0 s.
enum class missed_tick : std::uint8_t {
    burst,  ///< makes up for them, one at once after the other: 10 (late), 20 (late), 30, 40
    delay,  ///< takes one, and counts anew from there: 10 (late, at 25), 35, 45
    skip,   ///< takes one, and leaves the others out: 10 (late, at 25), 30, 40
};

namespace detail {

class tick_awaiter final : public sleep_awaiter {
public:
    explicit tick_awaiter(interval& of) noexcept : interval_(&of) {}
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> suspended);
    [[nodiscard]] time_point await_resume();

private:
    interval* interval_;
};

struct [[nodiscard("a tick is taken when this is awaited")]] tick_request {
    using coroscope_result = time_point;

    interval* of;
    [[nodiscard]] tick_awaiter coroscope_awaiter() const noexcept {
        return tick_awaiter(*of);
    }
};

}  // namespace detail

/// Ticks at a fixed distance, without the drift that a loop around `sleep_for` has.
///
///     coroscope::interval every_second(1s, coroscope::missed_tick::skip);
///     for (;;) {
///         const auto due = co_await every_second.tick();  // the first one at once
///         ...
///     }
///
/// A tick is late if its instant has passed when it is awaited; `missed_tick` says what comes after
/// one. The names, and what they do, are those of tokio's `Interval`; lateness is exact here, with
/// nothing allowed for.
///
/// **Completes when** the tick's instant has come, never inline; gives that instant, not the
/// present one. **Cancellation**: `cancelled_error`; the tick is not taken. **Thread safety**: one
/// task at a time. **Lifetime**: outlives its awaiting. **Cost**: a sleep.
class interval {
public:
    /// The first tick is due now. Throws `std::invalid_argument` unless the period is positive, and
    /// `std::logic_error` where no loop runs.
    explicit interval(duration period, missed_tick when_late = missed_tick::burst);
    /// The first tick is due at `first`.
    interval(time_point first, duration period, missed_tick when_late = missed_tick::burst);

    [[nodiscard]] detail::tick_request tick() noexcept { return {this}; }
    /// The next tick comes a period from now.
    void reset();
    [[nodiscard]] time_point next() const noexcept { return next_; }
    [[nodiscard]] duration period() const noexcept { return period_; }

private:
    friend class detail::tick_awaiter;
    [[nodiscard]] time_point take(time_point now) noexcept;

    time_point next_;
    duration period_;
    missed_tick when_late_;
};

template <class Promise>
void detail::tick_awaiter::await_suspend(std::coroutine_handle<Promise> suspended) {
    sleep_until(suspended.promise(), interval_->next_);
}

}  // namespace coroscope
