// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/clock.hpp>
#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/task.hpp>

#include <cstdint>
#include <ostream>
#include <utility>

namespace coroscope::testkit {

/// What came of a poll.
enum class poll_state : std::uint8_t {
    pending,  ///< it waits for something, or has made itself ready again
    ready,    ///< it has ended; `result` says how
};
std::ostream& operator<<(std::ostream& out, poll_state state);

namespace detail {

/// A clock that only `advance` moves; a loop under it never waits.
class hand_clock final : public clock {
public:
    [[nodiscard]] time_point now() const noexcept override { return now_; }
    [[nodiscard]] idle_action on_idle(const idle_state& state) override;
    void advance(duration d) noexcept { now_ = saturating_add(now_, d); }

private:
    time_point now_{};
};

/// The part of a `polled` that does not depend on its result.
class polling_loop {
public:
    polling_loop();

    [[nodiscard]] coroscope::loop& loop() noexcept { return loop_; }
    /// Runs what is ready, once.
    void run_pass();
    void advance(duration d);

private:
    hand_clock clock_;
    coroscope::loop loop_;
};

}  // namespace detail

/// One coroutine that a test runs by hand, a step at a time, to see when it waits, when it is woken
/// and what is true between two of its steps.
///
///     coroscope::event open;
///     polled<> visitor(enter(open));
///     CHECK(visitor.poll_once() == poll_state::pending);
///     CHECK_FALSE(visitor.is_woken());
///     open.set();
///     CHECK(visitor.is_woken());
///     CHECK(visitor.poll_once() == poll_state::ready);
///
/// For plain tests: it has a loop of its own, which nobody but `poll_once` runs, one pass at a
/// time, and cannot be used while another loop runs on this thread. Tasks that the coroutine starts
/// run in later passes. As tokio-test's `task::spawn`; a poll of something that was not woken runs
/// nothing here.
///
/// **Thread safety**: one thread. **Lifetime**: what it waits for outlives it. Destroying it
/// destroys the coroutine where it stands.
template <class T = void>
class polled {
public:
    explicit polled(coro<T> work, await_site where = await_site::current())
        : task_(loop_.loop().create_task(std::move(work), "polled", where)) {}
    polled(const polled&) = delete;
    polled& operator=(const polled&) = delete;
    ~polled() {
        if (task_.done() && !task_.cancelled()) { static_cast<void>(task_.exception()); }
    }

    /// Runs its next step, if it has one. Throws `invalid_state_error` when it has ended before.
    poll_state poll_once() {
        if (task_.done()) {
            throw invalid_state_error("poll_once: the coroutine has ended already; ask for result");
        }
        was_polled_ = true;
        loop_.run_pass();
        return task_.done() ? poll_state::ready : poll_state::pending;
    }
    /// Whether what it waits for has come since the last poll, or it had made itself ready then.
    [[nodiscard]] bool is_woken() const {
        return was_polled_ && !task_.done() && task_.core().waiting_on == nullptr;
    }
    /// What it returned; throws what left it, and `invalid_state_error` while it is pending.
    T result() { return task_.result(); }
    void cancel() { task_.cancel(); }
    /// Moves the time that it sees; what is due is woken, and runs at the next poll.
    void advance(duration d) { loop_.advance(d); }

private:
    detail::polling_loop loop_;
    task<T> task_;
    bool was_polled_ = false;
};

}  // namespace coroscope::testkit
