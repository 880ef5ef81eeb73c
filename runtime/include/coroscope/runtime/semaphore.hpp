// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/detail/wait_list.hpp>

#include <cstddef>
#include <cstdint>
#include <utility>

namespace coroscope {

class semaphore;

/// Releases one permit of a `semaphore` when destroyed; given by `semaphore::scoped`. Movable; an
/// empty one does nothing.
class [[nodiscard("the permit is released when this is destroyed")]] scoped_permit {
public:
    scoped_permit() = default;
    /// Takes over a permit that was acquired already.
    explicit scoped_permit(semaphore & from, await_site where = await_site::current()) noexcept
        : held_(&from),
          where_(where) {}
    scoped_permit(scoped_permit && other) noexcept
        : held_(std::exchange(other.held_, nullptr)),
          where_(other.where_) {}
    scoped_permit& operator=(scoped_permit&& other) noexcept {
        if (this != &other) {
            give_back();
            held_ = std::exchange(other.held_, nullptr);
            where_ = other.where_;
        }
        return *this;
    }
    ~scoped_permit() {
        give_back();
    }

    /// Releases before the end of the scope.
    void release();
    [[nodiscard]] bool owns_permit() const noexcept {
        return held_ != nullptr;
    }

private:
    void give_back() noexcept;
    semaphore* held_ = nullptr;
    await_site where_{};
};

namespace detail {

class semaphore_waiter : public list_waiter {
public:
    [[nodiscard]] bool await_ready() const noexcept;
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> suspended) {
        suspend(suspended.promise());
    }

protected:
    semaphore_waiter(semaphore& s, await_site where) noexcept : semaphore_(&s), where_(where) {}
    ~semaphore_waiter() override = default;
    void finish_acquire() {
        finish();
        if (waited()) [[unlikely]] { note_handed_over(); }
    }

    semaphore* semaphore_;
    await_site where_;

private:
    void suspend(frame_base& frame);
    void pass_on() noexcept override;
    void note_handed_over() const noexcept;
};

class acquire_awaiter final : public semaphore_waiter {
public:
    using result = void;
    acquire_awaiter(semaphore& s, await_site where) noexcept : semaphore_waiter(s, where) {}
    ~acquire_awaiter() override { abandon(); }
    void await_resume() { finish_acquire(); }
};

class scoped_permit_awaiter final : public semaphore_waiter {
public:
    using result = scoped_permit;
    scoped_permit_awaiter(semaphore& s, await_site where) noexcept : semaphore_waiter(s, where) {}
    ~scoped_permit_awaiter() override { abandon(); }
    [[nodiscard]] scoped_permit await_resume() {
        finish_acquire();
        return scoped_permit(*semaphore_, where_);
    }
};

}  // namespace detail

/// Lets so many tasks at a time into a section.
///
///     coroscope::semaphore connections(10);
///     coroscope::coro<> fetch() {
///         const auto permit = co_await connections.scoped();
///         co_await coroscope::sleep_for(1s);
///     }
///
/// First come, first served: a permit that is released goes to the task that waits longest, and is
/// that task's from then on.
///
/// **Completes when** the task has a permit: without suspending if one is free. **Cancellation**:
/// the wait ends with `cancelled_error` and the task has no permit; one that was handed over before
/// the task could run goes to the next. **Thread safety**: the tasks and callbacks of one loop.
/// **Lifetime**: outlives those who wait or hold permits; needs no loop to be made. **Cost**: no
/// allocation.
class semaphore {
public:
    explicit semaphore(std::size_t permits = 1) noexcept
        : value_(permits),
          made_(permits),
          is_lock_(permits == 1) {}
    semaphore(const semaphore&) = delete;
    semaphore& operator=(const semaphore&) = delete;
    virtual ~semaphore() = default;

    /// `co_await s.acquire()`; a `release` has to follow. `scoped` sees to that by itself.
    [[nodiscard]] auto acquire(await_site where = await_site::current()) noexcept {
        return detail::wait_request<detail::acquire_awaiter, semaphore>(*this, where);
    }
    /// `const auto permit = co_await s.scoped()`.
    [[nodiscard]] auto scoped(await_site where = await_site::current()) noexcept {
        return detail::wait_request<detail::scoped_permit_awaiter, semaphore>(*this, where);
    }
    /// Takes a permit if one is free, which none is while somebody waits.
    [[nodiscard]] bool try_acquire(await_site where = await_site::current()) noexcept {
        return take(where, detail::lock_use::try_permit);
    }
    /// Gives `n` permits back, or new ones: `semaphore` keeps no count of what was acquired.
    virtual void release(std::size_t n = 1, await_site where = await_site::current());

    /// How many permits are free.
    [[nodiscard]] std::size_t value() const noexcept {
        detail::note_use(&waiters_, detail::access_kind::test);
        return value_;
    }
    /// Whether `acquire` would wait.
    [[nodiscard]] bool locked() const noexcept { return value() == 0; }

protected:
    void hand_over(std::size_t n) noexcept;
    [[nodiscard]] std::uint64_t id() const noexcept { return waiters_.id(); }

private:
    friend class detail::semaphore_waiter;

    [[nodiscard]] bool take(await_site where, detail::lock_use how) noexcept {
        if (value_ == 0) {
            note(detail::access_kind::test, false, how, where);
            return false;
        }
        --value_;
        ++taken_;
        note(detail::access_kind::acquire, true, how, where, taken_);
        return true;
    }
    /// To those who want to know who uses what. A permit has the number of its making; 0: any.
    void note(detail::access_kind kind, bool changes, detail::lock_use how, await_site where,
              std::uint64_t number = 0) noexcept {
        if (detail::access_listener != nullptr) [[unlikely]] {
            tell(kind, changes, how, where, number);
        }
    }
    void tell(detail::access_kind kind, bool changes, detail::lock_use how, await_site where,
              std::uint64_t number) noexcept;

    detail::wait_list waiters_{wait_kind::semaphore, edge_kind::semaphore};
    std::size_t value_;
    std::uint64_t made_;       ///< permits so far
    std::uint64_t taken_ = 0;  ///< of these, in the order of their making
    bool is_lock_;             ///< there was never more than one permit
};

/// A `semaphore` that knows how many permits there are: releasing one more is an
/// `invalid_state_error`, and nothing is released then.
class bounded_semaphore final : public semaphore {
public:
    explicit bounded_semaphore(std::size_t permits = 1) noexcept
        : semaphore(permits),
          bound_(permits) {}
    void release(std::size_t n = 1, await_site where = await_site::current()) override;
    [[nodiscard]] std::size_t bound() const noexcept { return bound_; }

private:
    std::size_t bound_;
};

inline bool detail::semaphore_waiter::await_ready() const noexcept {
    return semaphore_->take(where_, lock_use::permit);
}

}  // namespace coroscope
