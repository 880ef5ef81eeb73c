// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/as_completed.hpp>
#include <coroscope/runtime/clock.hpp>
#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/detail/gathering.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/future.hpp>
#include <coroscope/runtime/handle.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/shield.hpp>
#include <coroscope/runtime/task.hpp>
#include <coroscope/runtime/timeout_scope.hpp>
#include <coroscope/runtime/wait.hpp>

#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

namespace coroscope {

/// Runs several coroutines at once: `auto [a, b] = co_await gather(f(), g())`.
///
/// Takes `coro`s, which become tasks at once, and `task`s, or one vector of either. It is a future:
/// of a tuple of the results in the order of the arguments (`std::monostate` for a void one), of a
/// vector for a vector, of nothing if all are void. The first exception of a child is the gather's,
/// at once; the other children go on. `cancel()`, or cancelling the task that awaits it, cancels
/// every child, and the gather ends as cancelled when all have ended, even if they ignored it.
template <class... Children>
class gather : public future<typename detail::tuple_collector<Children...>::result> {
    using collector = detail::tuple_collector<Children...>;
    using base = future<typename collector::result>;
    using state = detail::gather_state<typename collector::result, collector>;

public:
    explicit gather(Children... children, await_site where = await_site::current())
        : gather(get_running_loop(),
                 std::vector<any_task>{
                     detail::ensure_task(get_running_loop(), std::move(children), where)...},
                 where) {}

private:
    gather(loop& in, std::vector<any_task> children, await_site where)
        : base(new state(in.core(), where)) {
        static_cast<state&>(this->core()).start(std::move(children));
    }
};

template <class... Children>
gather(Children...) -> gather<Children...>;

template <class Child>
class gather<std::vector<Child>> : public future<typename detail::vector_collector<Child>::result> {
    using collector = detail::vector_collector<Child>;
    using base = future<typename collector::result>;
    using state = detail::gather_state<typename collector::result, collector>;

public:
    explicit gather(std::vector<Child> children, await_site where = await_site::current())
        : base(new state(get_running_loop().core(), where)) {
        static_cast<state&>(this->core()).start(make_tasks(get_running_loop(), children, where));
    }

private:
    static std::vector<any_task> make_tasks(loop& in, std::vector<Child>& children,
                                            await_site where) {
        std::vector<any_task> tasks;
        tasks.reserve(children.size());
        for (auto& child : children) {
            tasks.push_back(detail::ensure_task(in, std::move(child), where));
        }
        return tasks;
    }
};

namespace detail {

/// Cancels the current task when a deadline comes, and tells that from a cancellation by others.
class expiry {
public:
    explicit expiry(duration timeout, await_site where);
    expiry(const expiry&) = delete;
    expiry& operator=(const expiry&) = delete;
    ~expiry();

    /// The body was cancelled: true if that was our doing alone.
    [[nodiscard]] bool caused_cancellation();

private:
    /// Takes our request back; true if no request newer than this scope is left.
    bool take_back();

    any_task task_;
    timer_handle timer_;
    std::uint32_t requests_before_ = 0;
    bool expired_ = false;
};

template <class A>
struct awaited;
template <class T>
struct awaited<coro<T>> {
    using type = T;
};
template <class T>
struct awaited<task<T>> {
    using type = T;
};
template <class T>
struct awaited<future<T>> {
    using type = T;
};
template <class... C>
struct awaited<gather<C...>> {
    using type = typename gather<C...>::result_type;
};

template <class T>
struct awaited<shield<T>> {
    using type = T;
};

[[noreturn]] void throw_timeout(duration timeout, await_site where);

/// Awaits the end of a task or future as its own awaiter does, but throws nothing of what it ended
/// with.
template <class Awaiter>
class end_awaiter final : public Awaiter {
public:
    using Awaiter::Awaiter;
    void await_resume() { this->throw_if_cancelled(); }
};
template <class Awaiter, class Core>
struct end_of {
    Core& core;
    [[nodiscard]] end_awaiter<Awaiter> coroscope_awaiter() const {
        return end_awaiter<Awaiter>(task_reference<Core>(&core));
    }
};
[[nodiscard]] inline end_of<join_awaiter, task_core> quiet_end(task_core& core) {
    return {core};
}
[[nodiscard]] inline end_of<future_awaiter, future_core> quiet_end(future_core& core) {
    return {core};
}

/// `wait_for` something that ends inside the awaiting task.
template <class A>
coro<typename awaited<A>::type> limited_body(A awaitable, duration timeout, await_site where) {
    expiry deadline(timeout, where);
    try {
        co_return co_await std::move(awaitable);
    } catch (const cancelled_error&) {
        if (!deadline.caused_cancellation()) { throw; }
    }
    throw_timeout(timeout, where);
}

/// `wait_for` a task or future; `Consume`: its result is moved out, since nobody else has it.
/// Exceptions cost more than all else here: none but the last is thrown.
template <bool Consume, class A>
coro<typename awaited<A>::type> limited(A awaitable, duration timeout, await_site where) {
    expiry deadline(timeout, where);
    bool is_late = false;
    try {
        co_await quiet_end(awaitable.core());
    } catch (const cancelled_error&) {  // the wait was given up before the end
        if (!deadline.caused_cancellation()) { throw; }
        is_late = true;
    }
    if (awaitable.cancelled()) { is_late = is_late || deadline.caused_cancellation(); }
    if (is_late && (!awaitable.done() || awaitable.cancelled())) { throw_timeout(timeout, where); }
    if constexpr (Consume) {
        co_return co_await std::move(awaitable);
    } else {
        co_return co_await std::as_const(awaitable);
    }
}

/// Whether a result can be given out and kept as well.
template <class T>
inline constexpr bool is_sharable = std::is_void_v<T> || std::is_copy_constructible_v<T>;

}  // namespace detail

/// Awaits something for at most `timeout` of the loop's time; then cancels it, waits until it has
/// ended, and throws `timeout_error`. A `coro` runs in the awaiting task; a `task` or `future` is
/// cancelled. Cancelling the awaiting task from outside stays a cancellation. What finishes before
/// its cancellation could be delivered counts as in time. A `task` or `future` that keeps its name
/// keeps its result, unless that can only be moved.
template <class A>
[[nodiscard]] coro<typename detail::awaited<std::decay_t<A>>::type> wait_for(
    A&& awaitable, duration timeout, await_site where = await_site::current()) {
    using result = typename detail::awaited<std::decay_t<A>>::type;
    constexpr bool consume = !std::is_lvalue_reference_v<A> || !detail::is_sharable<result>;
    if constexpr (requires { awaitable.cancelled(); }) {
        return detail::limited<consume, std::decay_t<A>>(std::forward<A>(awaitable), timeout,
                                                         where);
    } else {
        return detail::limited_body<std::decay_t<A>>(std::forward<A>(awaitable), timeout, where);
    }
}

}  // namespace coroscope
