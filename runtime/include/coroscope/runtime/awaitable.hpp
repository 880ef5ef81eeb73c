// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/asio.hpp>
#include <coroscope/runtime/loop.hpp>

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/system/system_error.hpp>

#include <exception>
#include <memory>
#include <utility>

namespace coroscope {

namespace detail {

/// Holds a cancellation back until the awaitable has begun. In Boost 1.81 `co_spawn` never
/// completes if it is cancelled before: it then throws out of the `io_context`.
struct cancellation_gate {
    boost::asio::cancellation_signal signal;
    bool is_open = false;
    bool is_cancelled = false;

    void operator()(boost::asio::cancellation_type type) {
        is_cancelled = true;
        if (is_open) { signal.emit(type); }
    }
};

template <class T, class Executor>
boost::asio::awaitable<T, Executor> gated(std::shared_ptr<cancellation_gate> gate,
                                          boost::asio::awaitable<T, Executor> work) {
    gate->is_open = true;
    if (gate->is_cancelled) {
        throw boost::system::system_error(boost::asio::error::operation_aborted);
    }
    co_return co_await std::move(work);
}

/// Starts an awaitable; the initiation of `from_awaitable`.
struct awaitable_start {
    loop* on;
    template <class Handler, class T, class Executor>
    void operator()(Handler handler, boost::asio::awaitable<T, Executor> work) const {
        auto gate = std::make_shared<cancellation_gate>();
        boost::asio::get_associated_cancellation_slot(handler).assign(
            [gate](boost::asio::cancellation_type type) { (*gate)(type); });
        auto complete = [gate, h = std::move(handler)](auto&&... results) mutable {
            std::move(h)(std::forward<decltype(results)>(results)...);
        };
        boost::asio::co_spawn(
            on->io_context(), gated(gate, std::move(work)),
            boost::asio::bind_cancellation_slot(gate->signal.slot(), std::move(complete)));
    }
};

template <class T>
struct awaitable_signature {
    using type = void(std::exception_ptr, T);
};
template <>
struct awaitable_signature<void> {
    using type = void(std::exception_ptr);
};

}  // namespace detail

/// Awaits an `asio::awaitable` in a `coro`:
///
///     const auto reply = co_await coroscope::from_awaitable(query(connection));
///
/// The awaitable runs on the running loop's `io_context`, inside its polls, so that its steps show
/// as `io_poll` and not as the task's. Cancelling the task cancels it (terminal); when it ends as
/// `operation_aborted` then, `cancelled_error` is thrown. Other exceptions are thrown as they are.
/// Throws `std::logic_error` if no loop runs on this thread.
template <class T, class Executor>
[[nodiscard]] auto from_awaitable(boost::asio::awaitable<T, Executor> work) {
    return boost::asio::async_initiate<const use_coro_t,
                                       typename detail::awaitable_signature<T>::type>(
        detail::awaitable_start{&get_running_loop()}, use_coro, std::move(work));
}

}  // namespace coroscope
