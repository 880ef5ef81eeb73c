// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/detail/completion.hpp>
#include <coroscope/runtime/detail/join.hpp>
#include <coroscope/runtime/detail/loop_core.hpp>
#include <coroscope/runtime/detail/result_slot.hpp>
#include <coroscope/runtime/error.hpp>

#include <cstdint>
#include <exception>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

namespace coroscope {

class loop;

namespace detail {

[[noreturn]] void throw_empty_future();

/// A future without its type.
class future_core : public completion {
public:
    future_core(loop_core& core, wait_kind waits_for, await_site where)
        : loop(&core),
          id(core.next_object_id++),
          kind(waits_for),
          created_at(where) {
        note_use(this, access_kind::test);
        core.add_reference();
    }
    future_core(const future_core&) = delete;
    future_core& operator=(const future_core&) = delete;
    virtual ~future_core();

    /// Ends it as cancelled; false if it was done. A future that stands for something (a gather)
    /// cancels that instead.
    virtual bool cancel(std::string_view message = {});
    void finish(completion_status status, std::exception_ptr exception) noexcept;
    /// Throws unless a result may be set now.
    void expect_pending() const;

    [[nodiscard]] static void* operator new(std::size_t size) {
        return allocate_block(block_kind::frame, size);
    }
    static void operator delete(void* memory, std::size_t size) noexcept {
        release_block(block_kind::frame, memory, size);
    }

    /// How many handles and awaiters there are.
    [[nodiscard]] std::uint32_t references() const noexcept { return references_; }
    void add_reference() noexcept { ++references_; }
    void release() noexcept {
        if (--references_ == 0) { delete this; }
    }

    loop_core* const loop;
    const std::uint64_t id;
    std::uint64_t setter = 0;  ///< the task that set it, for `edge_kind::future`
    const wait_kind kind;
    const await_site created_at;

private:
    std::uint32_t references_ = 0;
};

template <class T>
class future_state : public future_core {
public:
    using future_core::future_core;
    result_slot<T> result;
};

/// Awaits a future. Cancelling the waiting task cancels the future.
class future_awaiter : public completion_awaiter {
public:
    explicit future_awaiter(task_reference<future_core> source) noexcept
        : source_(std::move(source)) {}

    [[nodiscard]] bool await_ready() const noexcept { return source_->done(); }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> suspended) {
        suspend(suspended.promise());
    }
    [[nodiscard]] task_core* cancel_wait() noexcept override;
    void give_up_wait() noexcept override {
        unlink();
        waiting()->wake_cancelled();
    }
    [[nodiscard]] future_core& source() const noexcept { return *source_; }

protected:
    ~future_awaiter() = default;
    void finish() {
        throw_if_cancelled();
        source_->throw_unless_value("future");
    }

private:
    void suspend(frame_base& frame);
    void notify_edge() noexcept override;
    task_reference<future_core> source_;
};

template <class T>
class shared_future_awaiter final : public future_awaiter {
public:
    using future_awaiter::future_awaiter;
    shared_result<T> await_resume() {
        finish();
        return static_cast<const future_state<T>&>(source()).result.get();
    }
};

template <class T>
class consuming_future_awaiter final : public future_awaiter {
public:
    using future_awaiter::future_awaiter;
    T await_resume() {
        finish();
        return std::move(static_cast<future_state<T>&>(source()).result).get();
    }
};

}  // namespace detail

/// A result that somebody will set: the seam between callbacks and coroutines. Made by
/// `loop::create_future<T>()`. A counted handle: copies mean the same future, and any number of
/// tasks may await it.
///
/// `co_await f` gives a reference to the result (`co_await std::move(f)` moves it out), throws the
/// exception that was set, or `cancelled_error`. Cancelling a task that awaits a future cancels the
/// future, as asyncio does. **Thread safety**: the loop's thread only; from others use
/// `call_soon_threadsafe`.
template <class T = void>
class future {
public:
    using result_type = T;

    future() = default;
    /// For the library's own components.
    explicit future(detail::future_state<T>* state) noexcept : state_(state) {}

    /// Throws `invalid_state_error` if it is done.
    template <class... U>
    void set_result(U&&... value) {
        auto& s = state();
        s.expect_pending();
        s.result.set(std::forward<U>(value)...);
        s.finish(detail::completion_status::value, nullptr);
    }
    /// Throws `invalid_state_error` if it is done, and `std::invalid_argument` for a null pointer.
    void set_exception(std::exception_ptr exception);
    template <class E>
        requires std::derived_from<std::decay_t<E>, std::exception>
    void set_exception(E&& exception) {
        set_exception(std::make_exception_ptr(std::forward<E>(exception)));
    }
    /// Those who await it get a `cancelled_error` with this message. False if it is done already.
    bool cancel(std::string_view message = {}) { return state().cancel(message); }

    [[nodiscard]] bool done() const { return state().done(); }
    [[nodiscard]] bool cancelled() const {
        return done() && state().status() == detail::completion_status::cancelled;
    }
    /// Throws the exception, `cancelled_error`, or `invalid_state_error` if it is not done.
    [[nodiscard]] detail::shared_result<T> result() const {
        state().throw_unless_value("future");
        return std::as_const(state()).result.get();
    }
    /// What was set; null for a result. Counts as retrieved. Throws `invalid_state_error` if it is
    /// not done and `cancelled_error` if it was cancelled.
    [[nodiscard]] std::exception_ptr exception() const {
        if (!done() || cancelled()) { state().throw_unless_value("future"); }
        state().mark_retrieved();
        return state().exception();
    }
    [[nodiscard]] std::uint64_t id() const { return state().id; }
    [[nodiscard]] bool valid() const noexcept { return static_cast<bool>(state_); }
    /// For the library's own components.
    [[nodiscard]] detail::future_core& core() const { return state(); }

    /// Calls `f(future)` from the loop once it is done.
    template <class F>
    void add_done_callback(F f, await_site where = await_site::current()) {
        auto& s = state();
        if (s.done()) {
            s.add_done_callback([f = std::move(f), self = *this]() mutable { f(self); },
                                s.loop->self, where);
        } else {  // not a reference to itself, which would keep an abandoned future for ever
            s.add_done_callback([f = std::move(f), &s]() mutable { f(future(&s)); }, s.loop->self,
                                where);
        }
    }

    [[nodiscard]] auto coroscope_awaiter() const& {
        return detail::shared_future_awaiter<T>(base());
    }
    [[nodiscard]] auto coroscope_awaiter() && {
        return detail::consuming_future_awaiter<T>(base());
    }

private:
    [[nodiscard]] detail::task_reference<detail::future_core> base() const {
        return detail::task_reference<detail::future_core>(&state());
    }
    [[nodiscard]] detail::future_state<T>& state() const {
        if (!state_) [[unlikely]] { detail::throw_empty_future(); }
        return *state_;
    }
    detail::task_reference<detail::future_state<T>> state_;
};

template <class T>
void future<T>::set_exception(std::exception_ptr exception) {
    state().expect_pending();
    if (exception == nullptr) {
        throw std::invalid_argument("future::set_exception needs an exception, got null");
    }
    state().finish(detail::completion_status::exception, std::move(exception));
}

}  // namespace coroscope
