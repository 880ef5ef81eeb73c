// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/detail/wait_list.hpp>
#include <coroscope/runtime/mutex.hpp>

#include <cstddef>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

namespace coroscope {

class condition;

namespace detail {

/// Waits for a notification, then for the mutex, in one suspension.
class condition_awaiter final : public mutex_waiter {
public:
    using result = void;
    condition_awaiter(condition& c, await_site where) noexcept;
    ~condition_awaiter() override { abandon(); }

    [[nodiscard]] bool await_ready() const;
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> suspended) {
        suspend(suspended.promise());
    }
    void await_resume();
    [[nodiscard]] task_core* cancel_wait() noexcept override;

    /// It waits for a notification, and nobody has the mutex. For schedule policies.
    [[nodiscard]] bool could_go_on() const noexcept;
    /// As if it had been notified.
    void wake_for_no_reason() noexcept;

private:
    friend class coroscope::condition;
    void suspend(frame_base& frame);
    void stop_waiting(const wait_list& from) noexcept override;

    condition* condition_;
    bool notified_ = false;
};

}  // namespace detail

/// Lets tasks that hold a mutex wait until others, who hold it in turn, say that what it protects
/// has changed.
///
///     coroscope::condition changed;
///     coroscope::coro<> consume(std::vector<int>& items) {
///         const auto lock = co_await changed.scoped();
///         const auto some = [&] { return !items.empty(); };
///         co_await changed.wait_for(some);
///         items.pop_back();
///     }
///     coroscope::coro<> produce(std::vector<int>& items) {
///         const auto lock = co_await changed.scoped();
///         items.push_back(1);
///         changed.notify();
///     }
///
/// `wait` unlocks the mutex, waits for a notification, and has locked it again when it completes. A
/// task that is notified queues up for the mutex at that moment. Several conditions may share one
/// mutex. In production a task is woken by notifications alone; explorations of tests wake it for
/// no reason as well, if asked to, since that is what waiting in a loop, as `wait_for` does, is
/// for.
///
/// **Cancellation**: `wait` locks the mutex again, then throws `cancelled_error`, so that a guard
/// around it stays right; a notification that the task had got goes to the next that waits.
/// **Errors**: `invalid_state_error` from `wait` and `notify` if the running task does not hold the
/// mutex. **Thread safety**: the tasks and callbacks of one loop. **Lifetime**: outlives those who
/// wait, and the mutex outlives it; needs no loop to be made. **Cost**: `wait` allocates nothing,
/// `wait_for` one coroutine frame.
class condition {
public:
    /// With a mutex of its own.
    condition() : mutex_(&own_.emplace()) {}
    explicit condition(mutex& shared) noexcept : mutex_(&shared) {}
    condition(const condition&) = delete;
    condition& operator=(const condition&) = delete;
    ~condition() = default;

    [[nodiscard]] auto wait(await_site where = await_site::current()) noexcept {
        return detail::wait_request<detail::condition_awaiter, condition>(*this, where);
    }
    /// Waits until `predicate()` is true, and gives what it returned; it is called at once and
    /// after each notification, with the mutex held. Give a lambda that captures by copy a name
    /// first (g++ 12 miscompiles it as a temporary beside a co_await).
    template <class Predicate>
    [[nodiscard]] coro<std::decay_t<std::invoke_result_t<Predicate&>>> wait_for(
        Predicate predicate, await_site where = await_site::current()) {
        return wait_until_true(this, std::move(predicate), where);
    }
    /// Lets at most `n` tasks that wait go on, the longest waiting first.
    void notify(std::size_t n = 1, await_site where = await_site::current());
    void notify_all(await_site where = await_site::current()) {
        notify(static_cast<std::size_t>(-1), where);
    }

    // The mutex.
    [[nodiscard]] auto lock(await_site where = await_site::current()) noexcept {
        return mutex_->lock(where);
    }
    [[nodiscard]] auto scoped(await_site where = await_site::current()) noexcept {
        return mutex_->scoped(where);
    }
    [[nodiscard]] bool try_lock(await_site where = await_site::current()) noexcept {
        return mutex_->try_lock(where);
    }
    void unlock() { mutex_->unlock(); }
    [[nodiscard]] bool locked() const noexcept { return mutex_->locked(); }
    [[nodiscard]] mutex& used_mutex() const noexcept { return *mutex_; }

private:
    friend class detail::condition_awaiter;

    template <class Predicate>
    static coro<std::decay_t<std::invoke_result_t<Predicate&>>> wait_until_true(condition* self,
                                                                                Predicate predicate,
                                                                                await_site where) {
        self->expect_held("condition::wait_for", where);
        for (;;) {
            auto value = std::invoke(predicate);
            self->note_look(static_cast<bool>(value), where);
            if (value) { co_return value; }
            co_await self->wait(where);
        }
    }
    /// Somebody asked for what the condition is about, at this line.
    void note_look(bool is_there, await_site where) const noexcept {
        if (is_there) {
            detail::note_use(&waiters_, detail::access_kind::test, where);
        } else {
            detail::note_refusal(&waiters_, "condition", waiters_.id(), detail::lock_use::none,
                                 where);
        }
    }
    void expect_held(const char* what, await_site where) const;
    void notify_waiters(std::size_t n) noexcept;

    std::optional<mutex> own_;  // before the waiters: they need it when they are sent away
    mutex* mutex_;
    detail::wait_list waiters_{wait_kind::condition, edge_kind::condition};
};

}  // namespace coroscope
