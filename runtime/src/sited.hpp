// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/coro.hpp>

#include <coroutine>
#include <utility>

namespace coroscope::detail {

/// An awaiter that shows another line than its own `co_await`: that of the user who called the
/// library's coroutine.
template <class Awaiter>
class sited_awaiter {
public:
    template <class A>
    sited_awaiter(A&& awaitable, await_site where)
        : inner_(std::forward<A>(awaitable).coroscope_awaiter()),
          where_(where) {}

    [[nodiscard]] bool await_ready() { return inner_.await_ready(); }
    template <class Promise>
    auto await_suspend(std::coroutine_handle<Promise> suspended) {
        static_cast<frame_base&>(suspended.promise()).site = where_;
        return inner_.await_suspend(suspended);
    }
    decltype(auto) await_resume() { return inner_.await_resume(); }

private:
    Awaiter inner_;
    await_site where_;
};

template <class A>
class sited {
public:
    sited(A&& awaitable, await_site where)
        : awaitable_(std::forward<A>(awaitable)),
          where_(where) {}
    [[nodiscard]] auto coroscope_awaiter() && {
        using awaiter = decltype(std::declval<A>().coroscope_awaiter());
        return sited_awaiter<awaiter>(std::forward<A>(awaitable_), where_);
    }

private:
    A&& awaitable_;  // lives to the end of the full expression that the co_await is in
    await_site where_;
};

/// `co_await at(where, awaitable)`: awaits it as if the `co_await` stood at `where`.
template <class A>
    requires has_awaiter<A>
[[nodiscard]] sited<A> at(await_site where, A&& awaitable) {
    return sited<A>(std::forward<A>(awaitable), where);
}

}  // namespace coroscope::detail
