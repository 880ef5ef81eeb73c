// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/generator.hpp>

#include <cstddef>
#include <exception>
#include <type_traits>
#include <utility>
#include <vector>

// Generators made of generators, and lists made of generators. All take the source over, and close
// it before they end, whichever way they end: by the source's end, by an exception, by a
// cancellation, or because they are closed themselves. Functions may be coroutine functions.

namespace coroscope {

namespace detail {

template <class Result>
struct awaited_result {
    using type = Result;
};
template <class T>
struct awaited_result<coro<T>> {
    using type = T;
};
/// What `f(x...)` comes to once it is awaited, if it has to be.
template <class F, class... Args>
using eventual_result = typename awaited_result<std::invoke_result_t<F&, Args...>>::type;

template <class F, class T>
coro<eventual_result<F, T>> call_and_await(F& f, T&& item) {
    if constexpr (std::is_same_v<eventual_result<F, T>, std::invoke_result_t<F&, T>>) {
        co_return f(std::forward<T>(item));
    } else {
        co_return co_await f(std::forward<T>(item));
    }
}

}  // namespace detail

/// `f(value)` for each value.
template <class T, class Send, class F>
async_generator<detail::eventual_result<F, T>> transform(async_generator<T, Send> source, F f) {
    std::exception_ptr failure;
    try {
        for (;;) {
            auto item = co_await source.next();
            if (!item) { break; }
            auto made = co_await detail::call_and_await(f, std::move(*item));
            co_yield std::move(made);
        }
    } catch (...) { failure = std::current_exception(); }
    co_await source.aclose();
    if (failure) { std::rethrow_exception(failure); }
}

/// The values for which `accepts(value)` is true.
template <class T, class Send, class F>
async_generator<T> filter(async_generator<T, Send> source, F accepts) {
    std::exception_ptr failure;
    try {
        for (;;) {
            auto item = co_await source.next();
            if (!item) { break; }
            const T& value = *item;
            const bool is_wanted = co_await detail::call_and_await(accepts, value);
            if (is_wanted) { co_yield std::move(*item); }
        }
    } catch (...) { failure = std::current_exception(); }
    co_await source.aclose();
    if (failure) { std::rethrow_exception(failure); }
}

/// The first `count` values at most. The source is not asked for more.
template <class T, class Send>
async_generator<T> take(async_generator<T, Send> source, std::size_t count) {
    std::exception_ptr failure;
    try {
        for (std::size_t i = 0; i < count; ++i) {
            auto item = co_await source.next();
            if (!item) { break; }
            co_yield std::move(*item);
        }
    } catch (...) { failure = std::current_exception(); }
    co_await source.aclose();
    if (failure) { std::rethrow_exception(failure); }
}

/// All values, in order: what a comprehension over the source gives.
template <class T, class Send>
coro<std::vector<T>> collect(async_generator<T, Send> source) {
    std::vector<T> all;
    const auto keep = [&all](T&& item) {
        all.push_back(std::move(item));
    };
    co_await for_each(std::move(source), keep);
    co_return all;
}

}  // namespace coroscope
