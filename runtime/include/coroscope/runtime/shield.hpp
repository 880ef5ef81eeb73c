// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/detail/gathering.hpp>
#include <coroscope/runtime/future.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/task.hpp>

#include <cstdint>
#include <exception>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace coroscope {
namespace detail {

/// A shield's future: follows the inner task, and lets go of it when it is cancelled.
template <class T>
class shield_state final : public future_state<T>, private completion_waiter {
public:
    shield_state(task<T> inner, bool is_consumed, await_site where)
        : future_state<T>(*inner.core().loop, wait_kind::future, where),
          inner_(std::move(inner)),
          is_consumed_(is_consumed) {
        if (inner_.done()) {
            on_complete();
        } else {
            inner_.core().add_waiter(*this);
        }
    }

    bool cancel(std::string_view message) override {
        if (!future_core::cancel(message)) { return false; }
        unlink();
        inner_ = {};
        return true;
    }
    void add_awaiting(std::vector<task_core*>& to) const override { this->collect_awaiting(to); }

private:
    void on_complete() noexcept override {
        auto inner = std::move(inner_);
        auto status = inner.core().status();
        auto why = inner.core().exception();
        if (status == completion_status::exception) { inner.core().mark_retrieved(); }
        if (status == completion_status::value) {
            try {
                take(inner);
            } catch (...) {  // a copy constructor threw
                status = completion_status::exception;
                why = std::current_exception();
            }
        }
        this->finish(status, std::move(why));
    }
    void take(task<T>& inner) {
        if constexpr (std::is_void_v<T>) {
            this->result.set();
        } else if constexpr (std::is_copy_constructible_v<T> && !std::is_reference_v<T>) {
            if (is_consumed_) {
                this->result.set(std::move(inner).result());
            } else {
                this->result.set(inner.result());
            }
        } else {
            this->result.set(std::move(inner).result());
        }
    }

    task<T> inner_;
    bool is_consumed_;  ///< nobody else can have a handle to the inner task
};

}  // namespace detail

/// Protects a task from the cancellation of those who await it: `co_await shield(save())`.
///
/// Takes a `coro`, which becomes a task at once, or a `task`. It is a future that ends as the inner
/// task does: with its result (a copy, if a `task` was given whose result can be copied), its
/// exception, or as cancelled if somebody cancels the inner task itself. **Cancellation**:
/// `cancel()`, or cancelling a task that awaits the shield, ends the shield alone, at once; the
/// inner task runs on by itself, and if it fails then and nobody looks, the loop's exception
/// handler is told. A shield protects the inner task from its awaiters, not from `cancel()` on it,
/// nor from `run`, which cancels all tasks at its end. **Thread safety**: the loop's thread only.
///
///     auto saved = coroscope::shield(save(document));
///     try {
///         co_await saved;
///     } catch (const coroscope::cancelled_error&) {
///         // save() still runs
///         throw;
///     }
template <class T>
class shield : public future<T> {
public:
    explicit shield(coro<T> work, await_site where = await_site::current())
        : future<T>(new detail::shield_state<T>(
            detail::ensure_task(get_running_loop(), std::move(work), where), true, where)) {}
    explicit shield(task<T> inner, await_site where = await_site::current())
        : future<T>(new detail::shield_state<T>(std::move(inner), false, where)) {}
};

template <class T>
shield(coro<T>) -> shield<T>;
template <class T>
shield(task<T>) -> shield<T>;
template <class T>
shield(coro<T>, await_site) -> shield<T>;
template <class T>
shield(task<T>, await_site) -> shield<T>;

}  // namespace coroscope
