// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/detail/result_slot.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/task.hpp>
#include <coroscope/runtime/with.hpp>

#include <cstddef>
#include <exception>
#include <utility>
#include <vector>

namespace coroscope {
namespace detail {

/// A nursery without its result type.
class nursery_base {
public:
    nursery_base() = default;
    nursery_base(const nursery_base&) = delete;
    nursery_base& operator=(const nursery_base&) = delete;

    /// Tasks that are not done.
    [[nodiscard]] std::size_t pending() const noexcept;

protected:
    ~nursery_base() = default;

    struct entry {
        any_task task;
        bool is_shielded;
    };
    void expect_open(await_site where) const;
    void add(any_task made, bool is_shielded);
    /// Waits for the tasks; throws the waiter's cancellation, or what the body threw.
    [[nodiscard]] coro<> settle(std::exception_ptr body_error, await_site where);
    [[nodiscard]] const std::vector<entry>& entries() const noexcept { return entries_; }

private:
    [[nodiscard]] std::vector<any_task> unfinished(bool with_shielded) const;

    std::vector<entry> entries_;
    bool is_settled_ = false;
};

}  // namespace detail

/// Tasks that a block starts on the way and waits for at its end, whatever comes of each.
///
/// `run` runs a body, then waits for all tasks that `schedule_coro` made, also those made while it
/// waits; `finished()` has them afterwards. Unlike in a `task_group` one that fails stops nothing:
/// its exception is in its task, and goes to the exception handler if nobody looks. If the body
/// throws, the tasks are waited for, and then its exception is passed on. **Cancellation** of the
/// user cancels the tasks and waits for them, except those made by `schedule_shielded`, which run
/// on by themselves. **Lifetime**: must outlive `run`. **Thread safety**: the loop's thread only.
///
///     coro<> body(coroscope::nursery<int>& pending) {
///         for (int i = 0; i < 3; ++i) { pending.schedule_coro(workload(i)); }
///         co_return;
///     }
///
///     coroscope::nursery<int> pending;
///     co_await pending.run(body(pending));
///     for (const auto& t : pending.finished()) { use(t.result()); }
template <class T = void>
class nursery : public detail::nursery_base {
public:
    /// Starts a task that the end of `run` waits for. Throws `invalid_state_error` after that.
    task<T> schedule_coro(coro<T> work, await_site where = await_site::current()) {
        return schedule(std::move(work), false, where);
    }
    /// One that is not cancelled with the user.
    task<T> schedule_shielded(coro<T> work, await_site where = await_site::current()) {
        return schedule(std::move(work), true, where);
    }

    template <class R>
    [[nodiscard]] coro<R> run(coro<R> body, await_site where = await_site::current()) {
        detail::result_slot<R> result;
        std::exception_ptr error;
        co_await detail::settle_body(std::move(body), result, error);
        co_await settle(error, where);
        co_return std::move(result).get();
    }

    /// The tasks that are done, in the order in which they were scheduled.
    [[nodiscard]] std::vector<task<T>> finished() const {
        std::vector<task<T>> done;
        for (const auto& each : entries()) {
            if (each.task.done()) { done.push_back(each.task.template as<T>()); }
        }
        return done;
    }

private:
    task<T> schedule(coro<T> work, bool is_shielded, await_site where) {
        expect_open(where);
        auto made = get_running_loop().create_task(std::move(work), {}, where);
        add(made, is_shielded);
        return made;
    }
};

}  // namespace coroscope
