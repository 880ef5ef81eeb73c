// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/clock.hpp>
#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/handle.hpp>
#include <coroscope/runtime/task.hpp>

#include <cstdint>
#include <optional>
#include <utility>

namespace coroscope {

/// Limits the time of a block of code, and lets the block move the limit: asyncio's `timeout()`.
///
/// `run` runs a coroutine in the awaiting task. When the deadline comes the task is cancelled; the
/// `cancelled_error` that leaves the body becomes a `timeout_error`. A cancellation by somebody
/// else stays one, also if both come together. Whatever else leaves the body, a result included, is
/// passed on, with `expired()` to tell that the time ran out on the way. Scopes nest: each tells
/// its own cancellation from that of others by counting requests (`cancelling`, `uncancel`), and of
/// two that expire together the outer one throws.
///
/// For one awaitable with a fixed limit, `wait_for` is shorter. **Thread safety**: the loop's
/// thread only. **Lifetime**: must outlive `run`. **Cost**: a coroutine frame and a timer.
///
///     coro<> steps(coroscope::timeout_scope& limit);   // may call limit.reschedule(...)
///
///     coroscope::timeout_scope limit(10s);
///     co_await limit.run(steps(limit));
class timeout_scope {
public:
    /// `timeout` counts from now; `duration::max()` is no limit. Called where a loop runs.
    explicit timeout_scope(duration timeout);
    /// Null: no limit, until `reschedule` sets one.
    explicit timeout_scope(std::optional<time_point> when) : when_(when) {}
    timeout_scope(const timeout_scope&) = delete;
    timeout_scope& operator=(const timeout_scope&) = delete;
    ~timeout_scope() { leave(); }

    /// The deadline in the loop's time; null: none.
    [[nodiscard]] std::optional<time_point> when() const noexcept { return when_; }
    /// Moves the deadline; one that has passed expires soon, null takes it away. Throws
    /// `invalid_state_error` unless the body runs and has time left.
    void reschedule(std::optional<time_point> when);
    /// The deadline came while the body ran.
    [[nodiscard]] bool expired() const noexcept {
        return state_ == state::expiring || state_ == state::expired;
    }

    /// Runs the body under the limit and gives its result. Once; throws `invalid_state_error` the
    /// second time.
    template <class T>
    [[nodiscard]] coro<T> run(coro<T> body, await_site where = await_site::current()) {
        const inside entered(*this, where);
        try {
            co_return co_await std::move(body);
        } catch (const cancelled_error&) {
            if (!leave()) { throw; }
        }
        throw_expired();
    }

private:
    enum class state : std::uint8_t { created, entered, expiring, expired, exited };
    struct inside {
        inside(timeout_scope& s, await_site where) : scope(s) { scope.enter(where); }
        inside(const inside&) = delete;
        inside& operator=(const inside&) = delete;
        ~inside() { scope.leave(); }
        timeout_scope& scope;
    };

    void enter(await_site where);
    /// Ends the scope; true if a cancellation that leaves the body now is the scope's own alone.
    bool leave() noexcept;
    void arm();
    void expire();
    [[noreturn]] void throw_expired() const;

    std::optional<time_point> when_;
    any_task task_;
    timer_handle timer_;
    await_site where_;
    std::uint32_t requests_before_ = 0;
    state state_ = state::created;
};

/// A scope that ends at a point of the loop's time: `auto limit = timeout_at(t);`
[[nodiscard]] inline timeout_scope timeout_at(std::optional<time_point> when) {
    return timeout_scope(when);
}

}  // namespace coroscope
