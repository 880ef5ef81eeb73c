// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/clock.hpp>
#include <coroscope/runtime/detail/completion_feed.hpp>
#include <coroscope/runtime/detail/gathering.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/task.hpp>
#include <coroscope/runtime/wait.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <ranges>
#include <utility>
#include <vector>

namespace coroscope {

namespace detail {

template <class Task>
class next_completed_awaiter final : public feed_awaiter {
public:
    using feed_awaiter::feed_awaiter;

    std::optional<Task> await_resume() {
        const auto finished = take();
        if (!finished.valid()) { return std::nullopt; }
        return typed<Task>(finished);
    }
};

/// What `next` returns, before it is awaited.
template <class Task>
class [[nodiscard("next does nothing until it is awaited")]] next_completed {
public:
    explicit next_completed(std::shared_ptr<completion_feed> feed) noexcept
        : feed_(std::move(feed)) {}
    [[nodiscard]] next_completed_awaiter<Task> coroscope_awaiter() const {
        return next_completed_awaiter<Task>(feed_);
    }

private:
    std::shared_ptr<completion_feed> feed_;
};

}  // namespace detail

/// Tasks in the order in which they finish; made by `as_completed`. A counted handle.
template <class Task>
class completed_tasks {
public:
    completed_tasks(loop& in, std::vector<any_task> tasks, duration timeout, await_site where)
        : feed_(std::make_shared<detail::completion_feed>(in, std::move(tasks), timeout, where)) {}

    /// `co_await next()` waits for the next task to finish and gives it, or null once all were
    /// given. Several tasks may ask at once; each finished task is given to one of them, in the
    /// order in which they asked. **Cancellation**: gives nothing up; a task that was about to be
    /// given is given to the next who asks. Throws `timeout_error` if the time is up and everything
    /// that finished in time was given.
    [[nodiscard]] detail::next_completed<Task> next() const {
        return detail::next_completed<Task>(feed_);
    }
    /// How many tasks `next` has not given yet, finished or not.
    [[nodiscard]] std::size_t remaining() const noexcept { return feed_->remaining(); }

private:
    std::shared_ptr<detail::completion_feed> feed_;
};

/// Gives several tasks one after another as they finish.
///
/// Takes a range of `task<T>` or `any_task`, or a vector of `coro`s, which become tasks at once; a
/// task that is named twice is given once. Tasks that were done already come first, in the order of
/// the arguments. A task is given however it ended: ask it for its `result()`. The timeout counts
/// from the call, cancels nothing, and is told by `next`. Dropping the object (leaving the loop
/// early) leaves the tasks alone. **Thread safety**: the loop's thread. **Cost**: two allocations,
/// none for each `next`.
///
///     auto finished = coroscope::as_completed(tasks, 10s);
///     while (finished.remaining() != 0) {
///         auto t = co_await finished.next();
///         use(t->result());
///     }
template <detail::range_of_tasks Tasks>
[[nodiscard]] auto as_completed(const Tasks& tasks, duration timeout = duration::max(),
                                await_site where = await_site::current()) {
    std::vector<any_task> all(std::ranges::begin(tasks), std::ranges::end(tasks));
    return completed_tasks<std::ranges::range_value_t<Tasks>>(get_running_loop(), std::move(all),
                                                              timeout, where);
}

template <class T>
[[nodiscard]] completed_tasks<task<T>> as_completed(std::vector<coro<T>> work,
                                                    duration timeout = duration::max(),
                                                    await_site where = await_site::current()) {
    auto& in = get_running_loop();
    std::vector<any_task> all;
    all.reserve(work.size());
    for (auto& each : work) {
        all.push_back(in.create_task(std::move(each), {}, where));
    }
    return completed_tasks<task<T>>(in, std::move(all), timeout, where);
}

}  // namespace coroscope
