// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/detail/join.hpp>
#include <coroscope/runtime/detail/task_core.hpp>
#include <coroscope/runtime/error.hpp>

#include <exception>
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

namespace coroscope {

class loop;
class any_task;

/// What tasks of every result type can do; `task<T>` and `any_task` add the result.
///
/// A counted handle: copies mean the same task; dropping the last one detaches the task, which
/// runs on. If a task ends with an exception and nobody awaited it or asked for `result()` or
/// `exception()` before its last handle goes, the loop's exception handler is told.
/// **Thread safety**: the thread of the task's loop only. **Lifetime**: may outlive the loop.
class task_handle {
public:
    task_handle() = default;

    /// Asks the task to stop: `cancelled_error` is thrown at the `co_await` it stands at (or
    /// reaches next), with this message. A task that awaits another task or a future passes the
    /// request on to that. One that never began ends without running. False if it is done already.
    bool cancel(std::string_view message = {}) { return core().cancel(message); }
    /// Requests to cancel that `uncancel` has not taken back.
    [[nodiscard]] std::uint32_t cancelling() const {
        detail::note_use(&core().must_cancel, detail::access_kind::test);
        return core().cancel_requests;
    }
    /// Takes one request back, for code that has dealt with it; returns how many are left.
    std::uint32_t uncancel();

    [[nodiscard]] bool done() const { return core().done(); }
    [[nodiscard]] bool cancelled() const {
        return done() && core().status() == detail::completion_status::cancelled;
    }
    /// What it failed with; null for a result. Counts as retrieved. Throws `invalid_state_error`
    /// if the task is not done and `cancelled_error` if it was cancelled.
    [[nodiscard]] std::exception_ptr exception() const;

    /// As given to `create_task`, or `task-ID`.
    [[nodiscard]] std::string name() const;
    void set_name(std::string_view name) { core().set_name(name); }
    /// Unique in its loop, counted from 1 in order of creation.
    [[nodiscard]] std::uint64_t id() const { return core().id(); }
    /// Where it was created: the `create_task` call, then the co_awaits through which its creator
    /// had come there, outward, as many as `loop::set_origin_depth` asked for at the time.
    [[nodiscard]] std::vector<await_site> origin() const;
    /// The co_await lines it stands at, innermost first, across the coroutines it awaits; empty
    /// once it is done or before it began.
    [[nodiscard]] std::vector<await_site> stack() const;
    void print_stack(std::ostream& out) const;

    /// Calls `f(task)` from the loop once the task is done, soon if it is done already.
    template <class F>
    void add_done_callback(F f, await_site where = await_site::current());

    [[nodiscard]] bool valid() const noexcept { return static_cast<bool>(state_); }
    friend bool operator==(const task_handle& a, const task_handle& b) noexcept {
        return a.state_.get() == b.state_.get();
    }

    /// For the library's own components.
    [[nodiscard]] detail::task_core& core() const {
        if (!state_) [[unlikely]] { throw_empty(); }
        return *state_;
    }

protected:
    explicit task_handle(detail::task_core& core) noexcept : state_(&core) {}
    [[nodiscard]] const detail::task_reference<detail::task_core>& reference() const {
        static_cast<void>(core());
        return state_;
    }

private:
    [[noreturn]] static void throw_empty();
    detail::task_reference<detail::task_core> state_;
};

/// A coroutine that the loop runs by itself: the handle of it.
///
/// `co_await t` waits for its end and gives a reference to its result (`co_await std::move(t)`
/// moves the result out), throws what it failed with, or `cancelled_error`. Any number of tasks
/// may await one.
template <class T = void>
class task : public task_handle {
public:
    using result_type = T;

    task() = default;

    /// The result of a task that is done; throws its exception, `cancelled_error`, or
    /// `invalid_state_error` if it is not done.
    [[nodiscard]] detail::shared_result<T> result() const& {
        core().throw_unless_value("task");
        return state().result.get();
    }
    [[nodiscard]] T result() && {
        core().throw_unless_value("task");
        return std::move(state().result).get();
    }

    [[nodiscard]] auto coroscope_awaiter() const& { return detail::shared_join<T>(reference()); }
    [[nodiscard]] auto coroscope_awaiter() && { return detail::consuming_join<T>(reference()); }

private:
    friend class loop;
    friend class any_task;
    explicit task(detail::task_core& core) noexcept : task_handle(core) {}
    [[nodiscard]] detail::typed_task<T>& state() const {
        return static_cast<detail::typed_task<T>&>(core());
    }
};

/// What `create_task` is told besides the coroutine; a task factory may change it.
struct task_options {
    std::string name;         ///< empty: `task-ID`
    await_site created_at{};  ///< where `create_task` was called
    /// Runs the first step at once, in the middle of the creator's, instead of soon; see
    /// `eager_task_factory`. No effect while the loop does not run.
    bool eager = false;
};

/// A `coro` of some type, for task factories.
class any_coro {
public:
    template <class T>
    any_coro(coro<T>&& work)  // NOLINT(google-explicit-constructor): every coro is one
        : frame_(detail::coro_access::release(work)),
          operations_(&operations_of<T>) {}
    any_coro(any_coro&& other) noexcept
        : frame_(std::exchange(other.frame_, nullptr)),
          operations_(other.operations_) {}
    any_coro& operator=(any_coro&&) = delete;
    ~any_coro() {
        if (frame_ != nullptr) { detail::drop_unstarted(*frame_); }
    }

    [[nodiscard]] const std::type_info& result_type() const noexcept {
        return operations_->result_type;
    }

private:
    friend class loop;
    struct operations {
        const std::type_info& result_type;
        detail::task_core* (*make_task)(detail::loop_core&, detail::frame_base*, await_site);
    };
    template <class T>
    static constexpr operations operations_of = {
        typeid(T), [](detail::loop_core& core, detail::frame_base* frame, await_site where) {
            return static_cast<detail::task_core*>(
                detail::make_typed_task<T>(core, detail::coro_access::adopt<T>(frame), where));
        }};

    detail::frame_base* frame_;
    const operations* operations_;
};

/// A task of some result type: what task factories return, and what lists of tasks hold.
class any_task : public task_handle {
public:
    any_task() = default;
    template <class T>
    any_task(task<T> t) noexcept  // NOLINT(google-explicit-constructor): every task is one
        : task_handle(t) {}

    [[nodiscard]] const std::type_info& result_type() const {
        return core().operations().result_type;
    }
    /// The typed handle; throws `std::bad_cast` if the result type is another.
    template <class T>
    [[nodiscard]] task<T> as() const {
        if (result_type() != typeid(T)) { throw std::bad_cast(); }
        return task<T>(core());
    }

private:
    friend class loop;
    friend class task_handle;
    friend any_task current_task();
    friend std::vector<any_task> all_tasks(const loop&);
    explicit any_task(detail::task_core& core) noexcept : task_handle(core) {}
};

/// The task whose step runs on this thread now; an invalid handle inside callbacks and outside a
/// loop.
[[nodiscard]] any_task current_task();

/// The unfinished tasks of a loop, oldest first.
[[nodiscard]] std::vector<any_task> all_tasks(const loop& of);

template <class F>
void task_handle::add_done_callback(F f, await_site where) {
    auto& c = core();
    c.add_done_callback([f = std::move(f), self = any_task(c)]() mutable { f(self); }, c.loop->self,
                        where);
}

}  // namespace coroscope
