// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/clock.hpp>
#include <coroscope/runtime/detail/task_core.hpp>

#include <coroutine>
#include <cstdint>
#include <exception>
#include <string>
#include <vector>

namespace coroscope::testkit {

class fake_clock;

namespace detail {

/// A move of a fake clock in progress: what it is to reach, and who waits for that.
struct clock_drive {
    enum class aim : std::uint8_t {
        settled,        ///< nothing is ready
        instant,        ///< `target` has come, and nothing is ready
        next_deadline,  ///< becomes `instant` once settled
        last_deadline,  ///< becomes `instant` once settled
        idle,           ///< no work is left but background work
        jump,           ///< once settled, time leaps by `by`; becomes `settled`
    };

    aim what = aim::settled;
    time_point target{};
    duration by{};
    coroscope::detail::task_core* waiting = nullptr;  ///< null: called from outside the loop
    bool done = false;
    std::exception_ptr failure;              ///< why it could not be done
    std::vector<std::exception_ptr> thrown;  ///< what left callbacks meanwhile
};

/// Awaits a drive.
class clock_awaiter final : public coroscope::detail::wait_node {
public:
    clock_awaiter(fake_clock& clock, const clock_drive& drive, bool done)
        : clock_(&clock),
          drive_(drive),
          ready_(done) {}
    ~clock_awaiter();

    [[nodiscard]] bool await_ready() const noexcept { return ready_; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> suspended) {
        suspend(suspended.promise());
    }
    void await_resume();
    [[nodiscard]] coroscope::detail::task_core* cancel_wait() noexcept override;

private:
    void suspend(const coroscope::detail::frame_base& frame);

    fake_clock* clock_;
    clock_drive drive_;
    coroscope::detail::task_core* task_ = nullptr;
    bool ready_;
};

/// Decides what a fake clock leaves to the test runner.
class clock_supervisor {
public:
    virtual ~clock_supervisor() = default;

    /// Nothing is ready, no timer will fire, and nothing external is awaited.
    [[nodiscard]] virtual idle_action on_stuck(const idle_state& state) = 0;
    /// Nothing external has come for the idle timeout (real time).
    virtual void on_idle_timeout() = 0;
    /// The next thing in virtual time lies beyond the end of time; the clock shows the end now.
    virtual void on_end_of_time() = 0;
    /// Virtual time goes on though I/O is in flight.
    virtual void on_hold_given_up(const std::string& held_by) = 0;
    [[nodiscard]] virtual bool is_background(std::uint64_t task_id) const noexcept = 0;

protected:
    clock_supervisor() = default;
    clock_supervisor(const clock_supervisor&) = default;
    clock_supervisor& operator=(const clock_supervisor&) = default;
};

}  // namespace detail
}  // namespace coroscope::testkit
