// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/detail/thread_result.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/task.hpp>

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <string_view>
#include <type_traits>
#include <utility>

namespace coroscope {

/// The result of a coroutine that runs in another thread's loop: asyncio's `concurrent.futures`
/// future. Made by `run_coroutine_threadsafe`. A counted handle; copies mean the same.
/// **Thread safety**: any thread, shared objects included. **Lifetime**: may outlive the loop.
template <class T = void>
class thread_future {
public:
    using result_type = T;
    /// For the library's own components.
    explicit thread_future(std::shared_ptr<detail::thread_result<T>> state) noexcept
        : state_(std::move(state)) {}

    /// Blocks until the coroutine has ended and gives its result (once: it is moved out), or throws
    /// its exception, `cancelled_error`, or `broken_loop_error` if the loop was closed first. On
    /// the loop's own thread, which would wait for itself, it throws `invalid_state_error` unless
    /// done.
    T get() {
        state_->wait();
        return state_->take();
    }
    /// Blocks for at most `timeout` of real time; false if it has not ended by then.
    [[nodiscard]] bool wait_for(std::chrono::nanoseconds timeout) const {
        return state_->wait_for(timeout);
    }
    [[nodiscard]] bool done() const { return state_->done(); }
    [[nodiscard]] bool cancelled() const { return state_->cancelled(); }
    /// Ends it as cancelled at once, and asks the task to stop as soon as its loop gets to it;
    /// false if it is done already.
    bool cancel(std::string_view message = {}) { return state_->cancel(message); }

private:
    std::shared_ptr<detail::thread_result<T>> state_;
};

/// Runs a coroutine as a task of a loop that runs in another thread.
///
/// The coroutine is started by the loop, soon; the returned future is for blocking threads. What
/// leaves the coroutine is in the future, and is not reported if nobody asks. Throws
/// `invalid_state_error` if the loop is closed. **Thread safety**: any thread; the loop must
/// outlive the call.
///
///     auto answer = coroscope::run_coroutine_threadsafe(ask(), loop);   // in a plain thread
///     use(answer.get());
template <class T>
[[nodiscard]] thread_future<T> run_coroutine_threadsafe(coro<T> work, loop& in,
                                                        await_site where = await_site::current()) {
    if (!work.valid()) { detail::throw_empty_coro(where); }
    auto state = std::make_shared<detail::thread_result<T>>(in.core());
    detail::thread_start<T> start(std::move(work), state, where);
    in.call_soon_threadsafe(std::move(start), where);
    return thread_future<T>(std::move(state));
}

/// Asks a task of another thread's loop to stop, as soon as that loop gets to it; does nothing if
/// the task is done by then or the loop is closed. **Thread safety**: any thread, as long as nobody
/// changes this handle and the loop's thread does not drop the task's last one meanwhile.
void cancel_threadsafe(const task_handle& target, std::string_view message = {});

/// A future of the running loop for a `std::future`, `std::shared_future`, or anything with a
/// blocking `get()`, which is called in the default executor. **Cancellation** abandons it; the
/// executor's thread stays taken until the `std::future` is ready, and `run` waits for it.
template <class F>
    requires requires(F& f) {
        f.get();
    }
[[nodiscard]] auto wrap_future(F source, await_site where = await_site::current()) {
    auto wait = [source = std::move(source)]() mutable -> decltype(auto) {
        return source.get();
    };
    return get_running_loop().run_in_executor(std::move(wait), where);
}

/// Calls `f(args...)` in the default executor and gives its result: asyncio's `to_thread`. Callable
/// and arguments are moved into the call; it sees a copy of the context. **Cancellation**: a call
/// that has not begun is taken back, one that has goes on, and its result is dropped.
///
///     const auto size = co_await coroscope::to_thread(count_bytes, path);
template <class F, class... Args>
[[nodiscard]] coro<std::invoke_result_t<F, Args...>> to_thread(F f, Args... args) {
    auto job = [f = std::move(f),
                ... args = std::move(args)]() mutable -> std::invoke_result_t<F, Args...> {
        return std::invoke(std::move(f), std::move(args)...);
    };
    auto pending = get_running_loop().run_in_executor(std::move(job));
    co_return co_await std::move(pending);
}

}  // namespace coroscope
