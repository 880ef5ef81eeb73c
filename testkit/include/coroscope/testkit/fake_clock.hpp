// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/testkit/detail/clock_drive.hpp>
#include <coroscope/testkit/io_policy.hpp>

#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/clock.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace coroscope::testkit {

/// What the verbs of a `fake_clock` return: inside a task the move that is to be awaited, outside
/// of a loop nothing, for it is done already. A move that a task drops without awaiting it has not
/// happened, and is reported to the loop's exception handler.
class clock_move {
public:
    clock_move(clock_move&& other) noexcept;
    clock_move& operator=(clock_move&&) = delete;
    ~clock_move();

    [[nodiscard]] detail::clock_awaiter coroscope_awaiter() &&;

private:
    friend class fake_clock;
    clock_move(fake_clock& clock, const detail::clock_drive& drive, bool is_done, await_site where)
        : clock_(&clock),
          drive_(drive),
          is_done_(is_done),
          where_(where) {}

    fake_clock* clock_;
    detail::clock_drive drive_;
    bool is_done_;
    await_site where_;
};

/// Time that moves only when it is told to, or, with autojump, when nothing else can happen.
///
///     fake_clock clock;
///     coroscope::loop_options options;
///     options.clock = &clock;
///     coroscope::loop loop(options);
///     loop.call_later(1h, [] { ... });
///     clock.advance(1h);             // outside of the loop: runs it
///     co_await clock.advance(1h);    // inside a task
///
/// Advancing is *settled*: ready work runs until there is none, time steps to the next deadline at
/// or before the target, the work that this made ready runs, and so on; timers that are armed on
/// the way fire on time, and see their own deadline as `now()`. Several tasks may advance at once;
/// time goes to the nearest target first. The task that advances is resumed when its target is
/// reached and all else has settled, never before.
///
/// What leaves a callback while time advances is kept; the advance goes on to its end and then
/// throws the first of these exceptions; `further_exceptions` gives the others. A move can also
/// throw `std::invalid_argument` (a negative length), `invalid_state_error` (`advance_to_next`
/// without a timer) and, outside of the loop, `broken_loop_error` (somebody stopped the loop).
/// Cancelling a task that awaits a move abandons the move.
///
/// While executor jobs are in flight, or an `outstanding_work` lives, virtual time stands still,
/// and the loop waits for them in real time; for I/O see `io_policy`.
///
/// **Thread safety**: the loop's thread, except `now` and `elapsed`. **Lifetime**: outlives its
/// loop; one open loop at a time (a second one throws `std::logic_error`).
class fake_clock final : public clock {
public:
    /// The largest instant it can show: one before `time_point::max()`, which never comes.
    static constexpr time_point end = time_point::max() - duration(1);

    explicit fake_clock(time_point start = time_point{});
    fake_clock(const fake_clock&) = delete;
    fake_clock& operator=(const fake_clock&) = delete;
    ~fake_clock() override;

    [[nodiscard]] time_point now() const noexcept override {
        return time_point(duration(now_.load(std::memory_order_acquire)));
    }
    /// Virtual time since the clock was made.
    [[nodiscard]] duration elapsed() const noexcept { return now() - start_; }

    /// What `wall_clock` shows when the clock is made: always the same, the beginning of 2000, UTC.
    static constexpr std::chrono::sys_time<duration> wall_start{
        std::chrono::sys_days{std::chrono::year(2000) / 1 / 1}};
    /// What `wall_clock` shows under this clock: it follows virtual time.
    [[nodiscard]] std::chrono::sys_time<duration> wall_now() const noexcept override;
    /// Somebody sets the wall clock, as an administrator or a time server does: forward or back. No
    /// timer moves, and neither does `now()`. Any thread.
    void set_wall_time(std::chrono::sys_time<duration> t) noexcept;
    void shift_wall_time(duration d) noexcept { wall_shift_.fetch_add(d.count()); }

    /// To `now() + d`, inclusive; clamped to `end`. Zero settles. Throws `std::invalid_argument`
    /// for a negative `d`; time is unchanged then.
    clock_move advance(duration d, await_site where = await_site::current());
    /// To one nanosecond before `t`: what is due at `t` does not fire. Throws
    /// `std::invalid_argument` unless `t` lies in the future.
    clock_move advance_to_before(time_point t, await_site where = await_site::current());
    /// Settles, then goes to the next deadline, whatever the distance. Throws
    /// `invalid_state_error` if no timer is armed then.
    clock_move advance_to_next(await_site where = await_site::current());
    /// The machine slept: time leaps by `d`, then overdue timers fire, once each, in the order of
    /// their deadlines, and all of them see the new `now()`.
    clock_move jump(duration d, await_site where = await_site::current());
    /// Runs what is ready, and what that makes ready; time stands still.
    clock_move run_ready(await_site where = await_site::current());
    /// Moves from deadline to deadline until no work is left but background tasks (and tasks that
    /// await a move of this clock), or nothing more can happen. Plain timers (`call_later`) count
    /// as work as long as no background task is alive.
    clock_move run_until_idle(await_site where = await_site::current());
    /// Settles, then goes to the latest deadline that exists then; what is armed before it on the
    /// way fires, too. Without a timer it only settles.
    clock_move run_to_last(await_site where = await_site::current());

    /// With autojump (the default), a loop that has nothing to do goes to the next deadline at
    /// once, unless somebody awaits a move.
    void set_autojump(bool on) noexcept { autojump_ = on; }
    [[nodiscard]] bool autojump() const noexcept { return autojump_; }
    /// Default: `io_policy::hold()`.
    void set_io_policy(io_policy policy) noexcept { policy_ = policy; }
    [[nodiscard]] testkit::io_policy io_policy() const noexcept { return policy_; }
    /// Longest real time to wait for anything external; empty: for ever. When it has passed, every
    /// task of a test gets an `idle_timeout_error`; outside of `run_test` it has no effect.
    void set_idle_timeout(std::optional<duration> limit) noexcept { idle_timeout_ = limit; }
    /// The instant beyond which virtual time does not move; then every task of a test gets an
    /// `end_of_time_error`. Outside of `run_test` it has no effect.
    void set_end_of_time(std::optional<time_point> last) noexcept { end_of_time_ = last; }

    /// Deadlines of the armed timers, earliest first.
    [[nodiscard]] std::vector<time_point> pending_timers() const;
    /// What else left callbacks during the last move that threw, in order.
    [[nodiscard]] std::vector<std::exception_ptr> further_exceptions();

    // --- For the loop and the test runner

    [[nodiscard]] idle_action on_idle(const idle_state& state) override;
    void on_loop_opened(loop& opened) override;
    void on_loop_closed(loop& closed) noexcept override;
    /// Back to where it began, for a loop that has nothing armed and is told of nothing before.
    void restart() noexcept;
    void set_supervisor(detail::clock_supervisor* supervisor) noexcept { supervisor_ = supervisor; }
    /// True if a move will throw this exception, so that nobody else needs to report it.
    [[nodiscard]] bool has_taken(const std::exception_ptr& exception) const noexcept;
    /// What `further_exceptions` would give, if nobody has asked for it.
    [[nodiscard]] std::vector<std::exception_ptr> take_unseen_exceptions() noexcept;

private:
    friend class clock_move;
    friend class outstanding_work;
    friend class detail::clock_awaiter;
    class watcher;
    struct external_work;

    clock_move start(const detail::clock_drive& drive, await_site where);
    void run_outside(detail::clock_drive& drive);
    void enlist(detail::clock_drive& drive) { drives_.push_back(&drive); }
    void drop(const detail::clock_drive& drive) noexcept;
    void finish(detail::clock_drive& drive);

    void move_to(time_point t) noexcept;
    [[nodiscard]] bool settle_drives(const idle_state& state);
    [[nodiscard]] bool settle(detail::clock_drive& drive, const idle_state& state);
    void complete(detail::clock_drive& drive) noexcept;
    [[nodiscard]] bool complete_idle_drives() noexcept;
    [[nodiscard]] bool is_foreground_work_left(const idle_state& state) const noexcept;
    [[nodiscard]] std::optional<time_point> next_instant(const idle_state& state) const noexcept;
    [[nodiscard]] idle_action go_to(time_point next);
    [[nodiscard]] idle_action after_move() noexcept;
    [[nodiscard]] idle_action stuck(const idle_state& state);

    [[nodiscard]] std::optional<idle_action> wait_for_external(
        const idle_state& state, const std::optional<time_point>& next);
    [[nodiscard]] std::optional<idle_action> hold_for_io(duration waited);
    [[nodiscard]] idle_action wait_in_real_time(duration waited,
                                                std::optional<duration> limit = {}) const;
    [[nodiscard]] std::uint64_t io_fingerprint() const noexcept;
    [[nodiscard]] std::string describe_io() const;

    std::atomic<duration::rep> now_;
    std::atomic<duration::rep> wall_shift_{0};
    time_point start_;
    loop* loop_ = nullptr;
    std::unique_ptr<watcher> watcher_;
    std::shared_ptr<external_work> external_;
    detail::clock_supervisor* supervisor_ = nullptr;
    std::vector<detail::clock_drive*> drives_;
    std::vector<std::exception_ptr> further_;
    testkit::io_policy policy_ = testkit::io_policy::hold();
    std::optional<duration> idle_timeout_;
    std::optional<time_point> end_of_time_;
    std::optional<std::chrono::steady_clock::time_point> waiting_since_;  ///< real time
    std::uint64_t given_up_on_ = 0;  ///< fingerprint of the I/O that is not waited for again
    bool autojump_ = true;
    bool confirmed_stuck_ = false;
    bool outside_done_ = false;  ///< the move that was called from outside has ended
};

/// Switches autojump off for a scope, and back to what it was.
///
///     autojump_off off(clock);
class [[nodiscard("the scope ends at once unless it has a name")]] autojump_off {
public:
    explicit autojump_off(fake_clock & clock) noexcept : clock_(clock), before_(clock.autojump()) {
        clock_.set_autojump(false);
    }
    autojump_off(const autojump_off&) = delete;
    autojump_off& operator=(const autojump_off&) = delete;
    ~autojump_off() {
        clock_.set_autojump(before_);
    }

private:
    fake_clock& clock_;
    bool before_;
};

/// Something outside of the loop will wake it: a thread of your own that is going to call
/// `call_soon_threadsafe`. While one lives, virtual time stands still and the loop waits for real,
/// as it does for executor jobs; without, a test that waits for a thread looks like a deadlock.
/// **Thread safety**: create on the loop's thread; move and destroy anywhere, after the post.
/// **Lifetime**: may outlive the clock and the loop.
class [[nodiscard("it counts while it lives")]] outstanding_work {
public:
    explicit outstanding_work(fake_clock & clock);
    outstanding_work(outstanding_work &&) noexcept = default;
    outstanding_work& operator=(outstanding_work&&) = delete;
    ~outstanding_work();

private:
    std::shared_ptr<fake_clock::external_work> state_;
};

}  // namespace coroscope::testkit
