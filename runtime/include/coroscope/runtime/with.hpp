// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/detail/quiet_join.hpp>
#include <coroscope/runtime/detail/result_slot.hpp>

#include <concepts>
#include <exception>
#include <type_traits>
#include <utility>

namespace coroscope {
namespace detail {

/// What `R::enter()` gives.
template <class R>
using entered = typename decltype(std::declval<R&>().enter())::result_type;

}  // namespace detail

/// Something to be acquired and released by coroutines: `coro<X> enter()` acquires it and gives
/// what the body is handed (`X` may be void or a reference); `coro<> exit(std::exception_ptr)`
/// releases it, told what the body threw, or null.
template <class R>
concept async_resource = requires(std::remove_reference_t<R>& r, std::exception_ptr e) {
    requires detail::is_coro<decltype(r.enter())>;
    { r.exit(e) } -> std::same_as<coro<void>>;
};

namespace detail {

template <class X, class F, class... Args>
struct with_body {
    // Handed over as an lvalue that lives until `exit` is done; moved if the body insists.
    static constexpr bool takes_lvalue = std::is_invocable_v<F&, X&, Args...>;
    using handed = std::conditional_t<takes_lvalue, X&, X&&>;
    using type = std::invoke_result_t<F&, handed, Args...>;
};
template <class F, class... Args>
struct with_body<void, F, Args...> {
    using type = std::invoke_result_t<F&, Args...>;
};
template <class R, class F, class... Args>
using with_result = typename with_body<entered<R>, F, Args...>::type;

/// Awaits a body and keeps what came of it.
template <class T>
coro<> settle_body(coro<T> body, result_slot<T>& result, std::exception_ptr& error) {
    try {
        if constexpr (std::is_void_v<T>) {
            co_await std::move(body);
        } else {
            result.set(co_await std::move(body));
        }
    } catch (...) { error = std::current_exception(); }
}

/// As `settle_body` for one that is still to be called.
template <class F, class T, class... Args>
coro<> settle_call(F& body, result_slot<T>& result, std::exception_ptr& error, Args&&... args) {
    try {
        if constexpr (std::is_void_v<T>) {
            co_await body(std::forward<Args>(args)...);
        } else {
            result.set(co_await body(std::forward<Args>(args)...));
        }
    } catch (...) { error = std::current_exception(); }
}

/// `R`, `F` and `Args` are references where `with` was given lvalues.
template <class C, class R, class F, class... Args>
coro<typename C::result_type> use_resource(R resource, F body, Args... args) {
    using X = entered<R>;
    const auto where = co_await callers_line();
    result_slot<typename C::result_type> result;
    std::exception_ptr error;
    if constexpr (std::is_void_v<X>) {
        co_await resource.enter();
        co_await settle_call(body, result, error, static_cast<Args&&>(args)...);
        co_await finish_release(resource.exit(error), error, where);
    } else {
        X value = co_await resource.enter();
        using handed = typename with_body<X, F, Args...>::handed;
        co_await settle_call(body, result, error, static_cast<handed>(value),
                             static_cast<Args&&>(args)...);
        co_await finish_release(resource.exit(error), error, where);
    }
    co_return std::move(result).get();
}

}  // namespace detail

/// Uses a resource and releases it whatever happens: `async with` of Python.
///
/// `co_await with(resource, body, args...)` awaits `resource.enter()`, then `body(x, args...)` with
/// what it gave (as an lvalue that lives until the end; no `x` if that is void), then
/// `resource.exit(error)`, and gives the body's result. The release happens on return, on an
/// exception and on cancellation, exactly once, and in full: it runs in a task of its own, and a
/// **cancellation** of the user while it runs is thrown when it is done. An exception of `exit`
/// replaces the body's; one of `enter` means that there is nothing to release.
///
/// Lvalues are used where they are and must outlive the await; rvalues are moved in and kept. The
/// body is a coroutine function or a lambda that captures nothing. **Thread safety**: the loop's
/// thread only. **Cost**: three frames and one task.
///
///     auto copy = [](file& f, const std::string& text) -> coro<> { co_await f.write(text); };
///     co_await coroscope::with(async_open("a.txt"), copy, text);
template <async_resource R, class F, class... Args>
[[nodiscard]] auto with(R&& resource, F&& body, Args&&... args) {
    using C = detail::with_result<R, F, Args...>;
    static_assert(detail::is_coro<C>, "the body of with must be a coroutine function");
    return detail::use_resource<C, R, F, Args...>(std::forward<R>(resource), std::forward<F>(body),
                                                  std::forward<Args>(args)...);
}

/// Makes a resource of anything that has `aclose()` or `close()`, a coroutine or not:
/// `co_await with(closing(connection), body)` hands the body a reference to it. If there is a
/// `wait_closed()`, the release awaits that as well.
template <class R>
class closing {
public:
    using target = std::remove_reference_t<R>;

    explicit closing(R&& resource) : resource_(std::forward<R>(resource)) {}
    [[nodiscard]] coro<target&> enter() { co_return resource_; }
    [[nodiscard]] coro<> exit(std::exception_ptr) {
        if constexpr (requires(target & r) { r.aclose(); }) {
            co_await resource_.aclose();
        } else if constexpr (std::is_void_v<decltype(std::declval<target&>().close())>) {
            resource_.close();
        } else {
            co_await resource_.close();
        }
        if constexpr (requires(target & r) { r.wait_closed(); }) {
            co_await resource_.wait_closed();
        }
        co_return;
    }

private:
    R resource_;
};

template <class R>
closing(R&&) -> closing<R>;

}  // namespace coroscope
