// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/generator.hpp>

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

namespace coroscope::instrumentation {

/// Switches the hooks of this page on if the first `argc` of `argv` have `--coroscope-debug`, which
/// is removed from them, or if the environment variable `COROSCOPE_DEBUG` is set and neither empty
/// nor `0`; otherwise off. True if they are on now.
///
///     int main(int argc, char** argv) {
///         coroscope::instrumentation::init_debug_hooks(argc, argv);
///
/// Until it is called they are off. **Thread safety**: to be called at the start of `main`, before
/// there are other threads. On, the calls of `__cxa_throw` in all objects that are loaded by then
/// go through a function that notes where exceptions come from.
bool init_debug_hooks(int& argc, char** argv);

struct post_mortem_options {
    /// Cancellations count as well.
    bool on_cancellation = false;
};

namespace detail {

enum class debug_hook : std::uint8_t { post_mortem, pre_run, post_run };

inline std::atomic<bool> debug_hooks_are_on{false};

/// What a wrapped function is to do, and where it was wrapped.
struct hook_plan {
    debug_hook which;
    bool on_cancellation;
    await_site where;
};

/// One call of a wrapped coroutine function, in its first step: tells the hook what becomes of it.
/// While a `post_mortem` lasts, it is known that throws below its frame may leave it.
class hooked_call {
public:
    explicit hooked_call(const hook_plan& plan) noexcept;
    hooked_call(const hooked_call&) = delete;
    hooked_call& operator=(const hooked_call&) = delete;
    ~hooked_call();

    void returned() noexcept;
    /// To be called while the exception is being handled.
    void failed(const std::exception_ptr& with) noexcept;

    /// Whether the innermost frame of the running task lies below a call that wants to know of a
    /// throw, of a cancellation or of another exception.
    [[nodiscard]] static bool awaits_throw(bool is_cancellation) noexcept;

private:
    hook_plan plan_;
    const coroscope::detail::frame_base* frame_ = nullptr;
    hooked_call* next_ = nullptr;  // in the list of all
};

/// It was `aclose` or the end of the loop that ended a generator.
[[nodiscard]] bool is_generator_exit(const std::exception_ptr& thrown) noexcept;

template <class T>
coro<T> run_hooked(hook_plan plan, coro<T> work) {
    hooked_call call(plan);
    try {
        if constexpr (std::is_void_v<T>) {
            co_await coroscope::detail::unlisted(work);
            call.returned();
        } else {
            T result = co_await coroscope::detail::unlisted(work);
            call.returned();
            co_return static_cast<T&&>(result);
        }
    } catch (...) {
        call.failed(std::current_exception());
        throw;
    }
}

/// What the consumer of a wrapped generator has asked for: the next step of the generator inside.
template <class T, class Send>
struct hooked_request {
    using sent_type = std::conditional_t<std::is_void_v<Send>, std::nullopt_t, std::optional<Send>>;
    sent_type sent = std::nullopt;
    std::exception_ptr thrown;

    coro<std::optional<T>> pass_on(async_generator<T, Send>& to) {
        if (thrown != nullptr) {
            auto item = co_await to.athrow(std::exchange(thrown, nullptr));
            co_return item;
        }
        if constexpr (!std::is_void_v<Send>) {
            if (sent.has_value()) {
                auto value = std::move(*std::exchange(sent, std::nullopt));
                auto item = co_await to.asend(std::move(value));
                co_return item;
            }
        }
        auto item = co_await to.next();
        co_return item;
    }
};

template <class T, class Send>
async_generator<T, Send> run_hooked(hook_plan plan, async_generator<T, Send> source) {
    hooked_call call(plan);
    hooked_request<T, Send> request;
    bool is_closing = false;
    for (;;) {
        std::optional<T> item;
        try {
            item = co_await request.pass_on(source);
        } catch (...) {
            if (!is_closing) { call.failed(std::current_exception()); }
            throw;
        }
        if (!item) { break; }
        try {
            if constexpr (std::is_void_v<Send>) {
                co_yield std::move(*item);
            } else {
                std::optional<Send> sent = co_yield std::move(*item);
                request.sent = std::move(sent);
            }
        } catch (...) {
            request.thrown = std::current_exception();
            is_closing = is_generator_exit(request.thrown);
        }
    }
    if (!is_closing) { call.returned(); }
}

/// A coroutine function or generator function with a hook. Off, its call is a call of the function.
template <class F>
class hooked_function {
public:
    hooked_function(hook_plan plan, F f) : plan_(plan), function_(std::move(f)) {}

    template <class... Args>
        requires std::is_invocable_v<const F&, Args...> std::invoke_result_t<const F&, Args...>
    operator()(Args&&... args) const {
        if (!debug_hooks_are_on.load(std::memory_order_relaxed)) [[likely]] {
            return std::invoke(function_, std::forward<Args>(args)...);
        }
        return run_hooked(plan_, std::invoke(function_, std::forward<Args>(args)...));
    }

private:
    hook_plan plan_;
    F function_;
};

template <class F>
[[nodiscard]] hooked_function<std::decay_t<F>> hook(hook_plan plan, F&& f) {
    return {plan, std::forward<F>(f)};
}

}  // namespace detail

/// Wraps a coroutine function, or one that returns an `async_generator`. When an exception leaves a
/// call, and the hooks are on (`init_debug_hooks`), it writes the exception, the async stack and
/// the native stack of the place that threw to standard error, and the exception goes on as it was.
/// A cancellation is no failure unless `options` say so.
///
/// With a debugger attached it stops there (SIGTRAP), at the throw, inside of `__cxa_throw`: `up`
/// leads to the line. There it cannot be known yet whether somebody within the call will catch the
/// exception: it stops then, too. An exception that was not thrown in the call (one of
/// `make_exception_ptr` that was passed on, a cancellation while it waited) stops where it leaves.
///
///     const auto fetch_watched = post_mortem(fetch);  // coro<page> fetch(std::string)
///     const auto page = co_await fetch_watched("/index.html");
///
/// Off, a call of the wrapper is the call of the function: one branch, and no coroutine frame. `f`
/// must be callable while const; it lives as long as the wrapper, which must outlive its calls
/// where the function itself would have to. **Thread safety**: as the function's.
template <class F>
[[nodiscard]] auto post_mortem(F&& f, post_mortem_options options = {},
                               await_site where = await_site::current()) {
    return detail::hook({detail::debug_hook::post_mortem, options.on_cancellation, where},
                        std::forward<F>(f));
}

/// The same before the first step of a call: stops in the debugger, or writes the async stack and
/// the native one.
template <class F>
[[nodiscard]] auto pre_run(F&& f, await_site where = await_site::current()) {
    return detail::hook({detail::debug_hook::pre_run, false, where}, std::forward<F>(f));
}

/// The same after a call that returned, a generator that has come to its end; not after a failure,
/// a cancellation, or for a generator that was closed.
template <class F>
[[nodiscard]] auto post_run(F&& f, await_site where = await_site::current()) {
    return detail::hook({detail::debug_hook::post_run, false, where}, std::forward<F>(f));
}

}  // namespace coroscope::instrumentation
