// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/detail/wait_list.hpp>

#include <cstddef>
#include <cstdint>

namespace coroscope {

class barrier;

namespace detail {

class barrier_awaiter final : public list_waiter {
public:
    using result = std::size_t;
    barrier_awaiter(barrier& b, await_site where) noexcept : barrier_(&b), where_(where) {}
    ~barrier_awaiter() override { abandon(); }

    [[nodiscard]] bool await_ready();
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> suspended) {
        suspend(suspended.promise());
    }
    std::size_t await_resume();
    [[nodiscard]] task_core* cancel_wait() noexcept override;

private:
    friend class coroscope::barrier;
    void suspend(frame_base& frame);
    void pass_on() noexcept override;
    [[nodiscard]] bool outlives_object() const noexcept override { return true; }

    barrier* barrier_;
    await_site where_;
    std::size_t index_ = 0;
    bool counted_ = false;  ///< the barrier drains until it has left
    bool broken_ = false;
};

}  // namespace detail

/// Where a number of tasks wait until all of them have come.
///
///     coroscope::barrier together(3);
///     coroscope::coro<> party() {
///         const auto index = co_await together.wait();
///         if (index == 0) { std::puts("all are here"); }
///     }
///
/// May be used again and again: who comes while those of the last round are still leaving waits
/// for the next round to begin.
///
/// **Completes when** `parties` tasks wait, and gives each another number from 0 to `parties - 1`,
/// in the order in which they came; the last one does not suspend. **Cancellation**: the wait ends
/// with `cancelled_error`, and the task is no longer counted among those who wait; the round is
/// complete only when another has come instead. One that had all it waited for is cancelled alone.
/// **Errors**: `broken_barrier_error` after `abort`, and for those whom `reset` or `abort` finds
/// waiting (or not yet gone). **Thread safety**: the tasks and callbacks of one loop. **Lifetime**:
/// outlives those who wait, and may be destroyed by the last who comes; needs no loop to be made.
/// **Cost**: no allocation.
class barrier {
public:
    /// `std::invalid_argument` for zero parties.
    explicit barrier(std::size_t parties);
    barrier(const barrier&) = delete;
    barrier& operator=(const barrier&) = delete;
    ~barrier() = default;

    [[nodiscard]] auto wait(await_site where = await_site::current()) noexcept {
        return detail::wait_request<detail::barrier_awaiter, barrier>(*this, where);
    }
    /// Makes it empty and whole again. Those who wait get a `broken_barrier_error`.
    void reset();
    /// Breaks it: those who wait, and all who come until `reset`, get a `broken_barrier_error`.
    void abort();

    [[nodiscard]] bool broken() const noexcept {
        note(detail::access_kind::test);
        return state_ == state::broken;
    }
    [[nodiscard]] std::size_t parties() const noexcept { return parties_; }
    /// How many of this round have come. 0 while the last round's are leaving.
    [[nodiscard]] std::size_t n_waiting() const noexcept {
        note(detail::access_kind::test);
        return state_ == state::filling ? arrived_.size() : 0;
    }

private:
    friend class detail::barrier_awaiter;
    enum class state : std::uint8_t {
        filling,
        draining,   ///< complete, and some have not run since
        resetting,  ///< reset, and some have not run since
        broken,
    };
    void note(detail::access_kind kind, await_site where = {}) const noexcept {
        detail::note_use(&arrived_, kind, where);
    }
    void open() noexcept;
    void break_round() noexcept;
    void leave() noexcept;

    std::size_t parties_;
    std::size_t leaving_ = 0;  ///< chosen, and have not run since
    state state_ = state::filling;
    detail::wait_list arrived_{wait_kind::barrier, edge_kind::barrier};
    detail::wait_list blocked_{wait_kind::barrier, edge_kind::barrier};  ///< for the next round
};

}  // namespace coroscope
