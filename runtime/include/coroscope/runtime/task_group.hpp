// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/detail/wait_list.hpp>
#include <coroscope/runtime/exception_group.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/task.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <list>
#include <string_view>
#include <utility>
#include <vector>

namespace coroscope {

/// Tasks that end before the block that made them does: asyncio's `TaskGroup`.
///
/// `run` runs a body in the awaiting task (the parent) and returns when the body and every task
/// made by `create_task` have ended. The first failure, of a task or of the body, cancels the other
/// tasks, and the body if it still runs; no more tasks are taken. Once all have ended, the failures
/// are thrown together as an `exception_group`. A task that was cancelled is no failure.
///
/// **Cancellation** of the parent cancels the tasks, waits for them, and is then passed on; if
/// tasks failed meanwhile, their group is thrown instead and the cancellation comes at the parent's
/// next `co_await`. Cancelling again while tasks wind up changes nothing. **Lifetime**: the group
/// and what tasks refer to must outlive `run`, so they belong to the block around it, not to the
/// body, whose variables are gone when it ends. **Thread safety**: the loop's thread only.
///
///     coro<> body(coroscope::task_group& group, std::string& a, std::string& b) {
///         group.create_task(fetch("a", a));
///         group.create_task(fetch("b", b));
///         co_return;
///     }
///
///     std::string a, b;
///     coroscope::task_group group;
///     co_await group.run(body(group, a, b));   // both are there now
class task_group {
public:
    task_group() noexcept : idle_(wait_kind::group, edge_kind::join) {}
    task_group(const task_group&) = delete;
    task_group& operator=(const task_group&) = delete;

    /// Starts a task that the group waits for. May be called by the body, the group's tasks, and
    /// callbacks. Throws `invalid_state_error` before `run` was awaited, while the group shuts down
    /// because of a failure or cancellation, and once it has ended; `work` is then dropped.
    template <class T>
    task<T> create_task(coro<T> work, std::string_view name = {},
                        await_site where = await_site::current()) {
        expect_open(where);
        auto made = parent_.core().loop->self->create_task(std::move(work), name, where);
        add(made);
        return made;
    }

    /// Runs the body, waits for the tasks, and gives the body's result. Once.
    template <class T>
    [[nodiscard]] coro<T> run(coro<T> body, await_site where = await_site::current()) {
        enter(where);
        detail::result_slot<T> result;
        try {
            if constexpr (std::is_void_v<T>) {
                co_await std::move(body);
            } else {
                result.set(co_await std::move(body));
            }
        } catch (...) { body_error_ = std::current_exception(); }
        leave_body();
        while (!children_.empty()) {
            co_await wind_up();
        }
        finish();
        co_return std::move(result).get();
    }

    /// Tasks that have not ended.
    [[nodiscard]] std::size_t size() const noexcept {
        detail::note_change(&children_);
        return children_.size();
    }
    /// The group has cancelled its tasks and takes no more.
    [[nodiscard]] bool shutting_down() const noexcept {
        detail::note_use(&aborting_, detail::access_kind::test);
        return aborting_;
    }

private:
    enum class phase : std::uint8_t { created, body_runs, winding_up, finished };
    struct child final : detail::completion_waiter {
        child(task_group& g, any_task t) : group(g), task(std::move(t)) {}
        void on_complete() noexcept override { group.child_done(place); }  // destroys *this
        void add_awaiting(std::vector<detail::task_core*>& to) const override {
            if (!group.idle_.empty()) { to.push_back(&group.parent_.core()); }
        }
        task_group& group;
        any_task task;
        std::list<child>::iterator place;
    };

    void enter(await_site where);
    void expect_open(await_site where) const;
    void note_newcomer(await_site where) const noexcept;
    void add(any_task made);
    void child_done(std::list<child>::iterator place) noexcept;
    void abort() noexcept;
    void leave_body();
    /// Waits once for the children; a cancellation meanwhile is passed on to them.
    [[nodiscard]] coro<> wind_up();
    void finish();

    any_task parent_;
    await_site where_;
    std::list<child> children_;
    std::vector<std::exception_ptr> errors_;
    std::exception_ptr body_error_;
    std::exception_ptr cancellation_;  ///< of the parent, to be passed on at the end
    detail::wait_list idle_;           ///< the parent, while it winds up
    std::uint32_t requests_before_ = 0;
    phase phase_ = phase::created;
    bool aborting_ = false;
    bool cancelled_parent_ = false;
};

}  // namespace coroscope
