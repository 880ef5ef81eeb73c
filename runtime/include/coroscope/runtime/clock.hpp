// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>

namespace coroscope {

class loop;

/// A length of time: signed integer nanoseconds.
using duration = std::chrono::nanoseconds;

/// An instant of a loop's clock. Only differences mean something; a fake clock starts at zero.
using time_point = std::chrono::time_point<std::chrono::steady_clock, duration>;

/// `t + d`, clamped to the representable range instead of overflowing. A deadline of
/// `time_point::max()` never comes.
[[nodiscard]] time_point saturating_add(time_point t, duration d) noexcept;

/// What a loop knows when it has nothing left to run. Given to `clock::on_idle`.
struct idle_state {
    /// Deadline of the earliest armed timer; empty when no timer is armed.
    std::optional<time_point> next_deadline;
    /// Asio operations started through `use_coro` that have not completed.
    std::size_t io_operations = 0;
    /// Jobs given to an executor whose results have not come back.
    std::size_t jobs = 0;
};

/// A clock's answer to `on_idle`.
struct idle_action {
    enum class kind {
        wait,      ///< block in real time until something wakes the loop, at most `limit`
        advanced,  ///< the clock has moved: look at the timers again at once
        quit,      ///< leave `run_forever`: nothing can ever happen again
    };
    kind what = kind::wait;
    /// For `wait`: the longest real time to block; empty waits for ever.
    std::optional<duration> limit;
};

/// Time as one loop sees it: what the time is, and how to pass the time when nothing can run.
///
/// Implement it to give a loop another notion of time; `testkit::fake_clock` is the example.
/// **Thread safety**: called on the loop's thread, except `now()`, which code in any thread may
/// ask. **Lifetime**: must outlive the loops that use it.
class clock {
public:
    virtual ~clock() = default;

    /// The present instant. Never goes backwards.
    [[nodiscard]] virtual time_point now() const noexcept = 0;

    /// What `wall_clock` shows where this clock rules: the calendar's time. Unless overridden, the
    /// machine's. Any thread.
    [[nodiscard]] virtual std::chrono::sys_time<duration> wall_now() const noexcept;

    /// Called when the ready queue is empty and I/O had nothing: decides how time passes.
    [[nodiscard]] virtual idle_action on_idle(const idle_state& state) = 0;

    /// A loop that will use this clock was made; throwing refuses it.
    virtual void on_loop_opened(loop&) {}
    /// That loop is closed and will not ask again.
    virtual void on_loop_closed(loop&) noexcept {}

protected:
    clock() = default;
    clock(const clock&) = default;
    clock& operator=(const clock&) = default;
};

/// The machine's monotonic clock (`CLOCK_MONOTONIC`); blocks in real time.
class system_monotonic_clock final : public clock {
public:
    [[nodiscard]] time_point now() const noexcept override;
    [[nodiscard]] idle_action on_idle(const idle_state& state) override;

    /// The one instance that loops use unless told otherwise.
    [[nodiscard]] static system_monotonic_clock& instance() noexcept;
};

}  // namespace coroscope
