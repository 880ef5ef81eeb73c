// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/context_var.hpp>
#include <coroscope/runtime/loop.hpp>

#include <utility>

// Callbacks and tasks in a context of the caller's choice.

namespace coroscope {
namespace {

[[nodiscard]] detail::callback inside(const context& in, detail::callback f) {
    return [in, f = std::move(f)]() mutable {
        in.run(f);
    };
}

}  // namespace

handle loop::call_soon(detail::callback f, const context& in, await_site where) {
    return call_soon(inside(in, std::move(f)), where);
}

void loop::call_soon_threadsafe(detail::callback f, const context& in, await_site where) {
    call_soon_threadsafe(inside(in, std::move(f)), where);
}

timer_handle loop::call_later(duration delay, detail::callback f, const context& in,
                              await_site where) {
    return call_later(delay, inside(in, std::move(f)), where);
}

timer_handle loop::call_at(time_point when, detail::callback f, const context& in,
                           await_site where) {
    return call_at(when, inside(in, std::move(f)), where);
}

void loop::put_into(const context& in, const task_handle& made) {
    detail::contexts_are_used.store(true, std::memory_order_relaxed);
    made.core().context = in.reference();
}

}  // namespace coroscope
