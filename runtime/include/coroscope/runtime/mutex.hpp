// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/detail/wait_list.hpp>

#include <bit>
#include <cstdint>
#include <utility>

namespace coroscope {

class mutex;
namespace detail {
class condition_awaiter;
}

/// Unlocks a `mutex` when destroyed; given by `mutex::scoped`. Movable; an empty one does nothing.
/// Where the mutex was unlocked by others meanwhile, the loop's exception handler is told.
class [[nodiscard("the mutex is unlocked when this is destroyed")]] scoped_lock {
public:
    scoped_lock() = default;
    /// Takes over a lock that is held already.
    explicit scoped_lock(mutex & held) noexcept : held_(&held) {}
    scoped_lock(scoped_lock && other) noexcept : held_(std::exchange(other.held_, nullptr)) {}
    scoped_lock& operator=(scoped_lock&& other) noexcept {
        if (this != &other) {
            give_back();
            held_ = std::exchange(other.held_, nullptr);
        }
        return *this;
    }
    ~scoped_lock() {
        give_back();
    }

    /// Unlocks before the end of the scope.
    void unlock();
    [[nodiscard]] bool owns_lock() const noexcept {
        return held_ != nullptr;
    }

private:
    void give_back() noexcept;
    mutex* held_ = nullptr;
};

namespace detail {

/// One that is handed a mutex.
class mutex_waiter : public list_waiter {
public:
    [[nodiscard]] await_site where() const noexcept { return where_; }
    [[nodiscard]] std::uint64_t held_by() const noexcept override;
    [[nodiscard]] await_site held_since() const noexcept override;

protected:
    mutex_waiter(mutex& m, await_site where) noexcept : mutex_(&m), where_(where) {}
    ~mutex_waiter() override = default;
    void pass_on() noexcept override;

    mutex* mutex_;
    await_site where_;
};

class lock_awaiter_base : public mutex_waiter {
public:
    [[nodiscard]] bool await_ready() const;
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> suspended) {
        suspend(suspended.promise());
    }

protected:
    using mutex_waiter::mutex_waiter;
    ~lock_awaiter_base() override = default;
    void finish_lock();

private:
    void suspend(frame_base& frame);
};

class lock_awaiter final : public lock_awaiter_base {
public:
    using result = void;
    lock_awaiter(mutex& m, await_site where) noexcept : lock_awaiter_base(m, where) {}
    ~lock_awaiter() override { abandon(); }
    void await_resume() { finish_lock(); }
};

class scoped_lock_awaiter final : public lock_awaiter_base {
public:
    using result = scoped_lock;
    scoped_lock_awaiter(mutex& m, await_site where) noexcept : lock_awaiter_base(m, where) {}
    ~scoped_lock_awaiter() override { abandon(); }
    [[nodiscard]] scoped_lock await_resume() {
        finish_lock();
        return scoped_lock(*mutex_);
    }
};

}  // namespace detail

/// Lets one task at a time into a section that has a `co_await` in it.
///
///     coroscope::mutex m;
///     coroscope::coro<> add(int& sum) {
///         const auto lock = co_await m.scoped();
///         const int before = sum;
///         co_await coroscope::sleep_for(1s);
///         sum = before + 1;
///     }
///
/// Not needed where no `co_await` stands between a read and a write: a task runs undisturbed from
/// one to the next. First come, first served: `unlock` hands the mutex to the task that waits
/// longest, which holds it from then on, so that a newcomer cannot overtake it.
///
/// **Completes when** the task holds the mutex: without suspending if it is free. **Cancellation**:
/// the wait ends with `cancelled_error` and the task does not hold the mutex; one that was handed
/// over before the task could run goes to the next. **Errors**: `invalid_state_error` if the task
/// holds the mutex already, since it would wait for itself for ever. **Thread safety**: the tasks
/// and callbacks of one loop. **Lifetime**: outlives those who wait or hold it; needs no loop to be
/// made. **Cost**: no allocation.
class mutex {
public:
    mutex() = default;
    mutex(const mutex&) = delete;
    mutex& operator=(const mutex&) = delete;
    ~mutex() = default;

    /// `co_await m.lock()`; an `unlock` has to follow. `scoped` sees to that by itself.
    [[nodiscard]] auto lock(await_site where = await_site::current()) noexcept {
        return detail::wait_request<detail::lock_awaiter, mutex>(*this, where);
    }
    /// `const auto lock = co_await m.scoped()`.
    [[nodiscard]] auto scoped(await_site where = await_site::current()) noexcept {
        return detail::wait_request<detail::scoped_lock_awaiter, mutex>(*this, where);
    }
    /// Takes it if it is free. A free mutex has nobody waiting.
    [[nodiscard]] bool try_lock(await_site where = await_site::current()) noexcept;
    /// By whichever task; `invalid_state_error` if it is not locked.
    void unlock();

    [[nodiscard]] bool locked() const noexcept {
        detail::note_use(this, detail::access_kind::test);
        return locked_;
    }
    /// The id of the task that holds it; 0: nobody, or a callback.
    [[nodiscard]] std::uint64_t owner() const noexcept {
        detail::note_use(this, detail::access_kind::test);
        return owner_.task;
    }
    /// Whether the task (or callback) that runs now holds it.
    [[nodiscard]] bool locked_by_current() const noexcept {
        detail::note_use(this, detail::access_kind::test);
        return locked_ && owner_ == detail::lock_owner::current();
    }
    /// Where the one who holds it asked for it.
    [[nodiscard]] await_site locked_at() const noexcept { return locked_at_; }

private:
    friend class detail::mutex_waiter;
    friend class detail::lock_awaiter_base;
    friend class detail::condition_awaiter;
    friend class condition;
    friend class scoped_lock;

    /// For the task table: where a waiter's record finds who holds it.
    [[nodiscard]] std::int64_t owner_address() const noexcept {
        return std::bit_cast<std::int64_t>(&owner_.task);
    }

    /// To those who want to know who uses what.
    void note(detail::access_kind kind, bool changes, await_site where,
              detail::lock_use how = detail::lock_use::lock) const noexcept {
        detail::note_lock(this, waiters_.id(), kind, changes, how, where);
    }
    [[nodiscard]] bool take(await_site where, detail::lock_use how) noexcept;
    void hand_over() noexcept;
    /// Lets one wait again that slept elsewhere, or gives it the mutex at once.
    void admit(detail::mutex_waiter& waiter) noexcept;
    [[noreturn]] void throw_locked_twice(await_site where) const;

    detail::wait_list waiters_{wait_kind::mutex, edge_kind::mutex};
    detail::lock_owner owner_;
    await_site locked_at_{};
    bool locked_ = false;
};

inline void detail::lock_awaiter_base::finish_lock() {
    finish();
    if (waited()) { mutex_->note(access_kind::acquire, false, where_); }  // `take` notes the others
}

}  // namespace coroscope
