// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/detail/io_operation.hpp>

#include <boost/asio/async_result.hpp>

#include <utility>

namespace coroscope {

/// Completion token that makes any Asio operation awaitable in a `coro`:
///
///     std::size_t n = co_await socket.async_read_some(buffer, coroscope::use_coro);
///
/// The I/O object must use the `io_context()` of the loop that runs the coroutine. The operation
/// starts at the `co_await`. An error code throws `boost::system::system_error`
/// (`boost::asio::as_tuple(use_coro)` returns it instead). Cancelling the task emits Asio's
/// terminal cancellation and throws `cancelled_error` when the operation has ended; an operation
/// that completes all the same gives its result, and the cancellation is thrown at the next await.
/// A completion never runs the coroutine inline: it only makes its task ready.
struct use_coro_t {
    constexpr use_coro_t() = default;

    /// An executor whose operations take `use_coro` when no token is given.
    template <class Inner>
    struct executor_with_default : Inner {
        using default_completion_token_type = use_coro_t;
        executor_with_default(const Inner& inner) noexcept : Inner(inner) {}  // NOLINT
    };
    /// An I/O object type with that default: `use_coro_t::as_default_on_t<tcp::socket>`.
    template <class Object>
    using as_default_on_t = typename Object::template rebind_executor<
        executor_with_default<typename Object::executor_type>>::other;
};

inline constexpr use_coro_t use_coro{};

}  // namespace coroscope

template <class... Args>
class boost::asio::async_result<coroscope::use_coro_t, void(Args...)> {
public:
    template <class Initiation, class... InitArgs>
    static auto initiate(Initiation&& initiation, coroscope::use_coro_t, InitArgs&&... args) {
        return coroscope::detail::make_io_operation<Args...>(std::forward<Initiation>(initiation),
                                                             std::forward<InitArgs>(args)...);
    }
};
