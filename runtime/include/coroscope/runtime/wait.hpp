// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/clock.hpp>
#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/detail/multi_wait.hpp>
#include <coroscope/runtime/task.hpp>

#include <concepts>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

namespace coroscope {

/// What `wait` gives: the tasks that are done by the time it returns, and the others, each in the
/// order of the arguments. Looking at a task's result is up to the caller; an exception that nobody
/// looks at goes to the exception handler.
template <class Task>
struct wait_result {
    wait_result() = default;
    std::vector<Task> done;
    std::vector<Task> pending;
};

namespace detail {

template <class T>
inline constexpr bool is_task = false;
template <class T>
inline constexpr bool is_task<task<T>> = true;
template <>
inline constexpr bool is_task<any_task> = true;

template <class T>
concept task_like = is_task<std::remove_cvref_t<T>>;

template <class R>
concept range_of_tasks = std::ranges::input_range<R> && task_like<std::ranges::range_value_t<R>>;

/// The same task with its type.
template <class Task>
[[nodiscard]] Task typed(const any_task& t) {
    if constexpr (std::is_same_v<Task, any_task>) {
        return t;
    } else {
        return t.as<typename Task::result_type>();
    }
}

template <class Task>
class wait_awaiter final : public multi_wait {
public:
    using multi_wait::multi_wait;

    wait_result<Task> await_resume() {
        finish();
        wait_result<Task> result;
        for (const auto& t : tasks()) {
            (t.done() ? result.done : result.pending).push_back(typed<Task>(t));
        }
        return result;
    }
};

/// What `wait` returns, before it is awaited.
template <class Task>
class [[nodiscard("wait does nothing until it is awaited")]] multi_wait_request {
public:
    multi_wait_request(std::vector<any_task> tasks, return_when when, duration timeout)
        : tasks_(std::move(tasks)),
          when_(when),
          timeout_(timeout) {
        prepare_wait(tasks_);
    }
    [[nodiscard]] wait_awaiter<Task> coroscope_awaiter()&& {
        return wait_awaiter<Task>(std::move(tasks_), when_, timeout_);
    }

private:
    std::vector<any_task> tasks_;
    return_when when_;
    duration timeout_;
};

/// `task<T>` if all are, otherwise `any_task`.
template <class... Tasks>
struct joint_task {
    using type = any_task;
};
template <class First, class... Others>
    requires(std::is_same_v<First, Others>&&...)
struct joint_task<First, Others...> {
    using type = First;
};

}  // namespace detail

/// Waits until enough of several tasks are done: `auto r = co_await wait(tasks, first_completed)`.
///
/// Takes a range of `task<T>` or `any_task`; a task that is named twice counts once. Completes at
/// once if enough are done already; otherwise when they are, or when `timeout` of the loop's time
/// has passed since it was awaited, whichever comes first. The timeout is no error and cancels
/// nothing: what is unfinished is in `pending`. A task that was cancelled is done, and is no
/// exception. What finishes between the wake-up and the waiter's turn counts as done.
///
/// Cancelling the waiting task ends the wait and leaves the tasks alone. Throws
/// `std::invalid_argument` for no tasks or an empty handle, and `invalid_state_error` if the
/// waiting task or one of another loop is among them. **Thread safety**: the loop's thread.
/// **Cost**: one allocation for all tasks, no coroutine frame.
///
///     auto result = co_await coroscope::wait(tasks, coroscope::return_when::first_completed, 5s);
///     for (auto& t : result.pending) { t.cancel(); }
template <detail::range_of_tasks Tasks>
[[nodiscard]] auto wait(Tasks&& tasks, return_when when = return_when::all_completed,
                        duration timeout = duration::max()) {
    using Task = std::ranges::range_value_t<Tasks>;
    std::vector<any_task> all;
    for (const auto& t : tasks) {
        all.push_back(t);
    }
    return detail::multi_wait_request<Task>(std::move(all), when, timeout);
}

/// The same for tasks of several types: `co_await wait(return_when::first_completed, a, b)`.
template <detail::task_like... Tasks>
[[nodiscard]] auto wait(return_when when, const Tasks&... tasks) {
    static_assert(sizeof...(Tasks) > 0, "wait needs at least one task");
    using Task = typename detail::joint_task<Tasks...>::type;
    return detail::multi_wait_request<Task>(std::vector<any_task>{tasks...}, when, duration::max());
}

/// `co_await wait(a, b, c)`: until all are done, whatever came of them.
template <detail::task_like... Tasks>
    requires(sizeof...(Tasks) > 0)
[[nodiscard]] auto wait(const Tasks&... tasks) {
    return wait(return_when::all_completed, tasks...);
}

}  // namespace coroscope
