// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/clock.hpp>
#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/nursery.hpp>
#include <coroscope/runtime/sleep.hpp>

#include <utility>
#include <vector>

namespace coroscope {
namespace detail {

template <class T, class F>
coro<T> call_soon_as_task(F f) {
    co_return f();
}

template <class T, class F>
coro<T> call_as_task(time_point when, F f) {
    co_await sleep_until(when);
    co_return f();
}

}  // namespace detail

/// A `nursery` of callbacks: `run` runs a body, then waits until all that it has scheduled were
/// called; `finished()` has their results. What a callback throws is in its task; cancelling that
/// takes the callback back.
///
///     coro<> body(coroscope::callback_nursery<int>& calls) {
///         calls.schedule_soon(count);
///         calls.schedule_later(std::chrono::seconds(4), count);
///         co_return;
///     }
///
///     coroscope::callback_nursery<int> calls;
///     co_await calls.run(body(calls));
///     for (const auto& t : calls.finished()) { use(t.result()); }
template <class T = void>
class callback_nursery {
public:
    template <class F>
    task<T> schedule_soon(F f, await_site where = await_site::current()) {
        return calls_.schedule_coro(detail::call_soon_as_task<T>(std::move(f)), where);
    }
    /// After `delay` of the loop's time.
    template <class F>
    task<T> schedule_later(duration delay, F f, await_site where = await_site::current()) {
        return schedule_at(saturating_add(get_running_loop().time(), delay), std::move(f), where);
    }
    template <class F>
    task<T> schedule_at(time_point when, F f, await_site where = await_site::current()) {
        return calls_.schedule_coro(detail::call_as_task<T>(when, std::move(f)), where);
    }

    /// As `nursery::run`.
    template <class R>
    [[nodiscard]] coro<R> run(coro<R> body, await_site where = await_site::current()) {
        return calls_.run(std::move(body), where);
    }
    /// The callbacks that were called, in the order in which they were scheduled.
    [[nodiscard]] std::vector<task<T>> finished() const { return calls_.finished(); }
    [[nodiscard]] std::size_t pending() const noexcept { return calls_.pending(); }

private:
    nursery<T> calls_;
};

}  // namespace coroscope
