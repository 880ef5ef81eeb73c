// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/detail/generator_promise.hpp>

#include <concepts>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace coroscope {

/// Thrown at the `co_yield` of a generator that is being closed. Catch it to clean up, then rethrow
/// it or return; to yield again is an error.
class generator_exit : public std::exception {
public:
    [[nodiscard]] const char* what() const noexcept override {
        return "the generator is being closed";
    }
};

/// The return type of a coroutine function that yields values, and may await between them.
///
///     coroscope::async_generator<int> ticks(int count) {
///         for (int i = 0; i < count; ++i) {
///             co_await coroscope::sleep_for(1s);
///             co_yield i;
///         }
///     }
///
///     auto source = ticks(3);
///     for (;;) {
///         const auto tick = co_await source.next();
///         if (!tick) { break; }
///         use(*tick);
///     }
///
/// Its body runs inside the task that awaits the next value, which is what `current_task()` gives,
/// and what is cancelled: a cancellation is thrown where the body waits, and ends the generator
/// unless the body catches it. `T` is an object type; it may be move-only.
///
/// With a `Send` type `co_yield` gives `std::optional<Send>`: what `asend` was given, or nothing if
/// the consumer called `next`. To yield from a `catch` block is not possible in C++.
///
/// **Closing**: `aclose` throws `generator_exit` at the `co_yield`, and waits while the body cleans
/// up. A generator that is dropped half-way is destroyed at once, as any object: destructors of its
/// locals run, but it cannot await any more. (asyncio would go on to close it later; here the
/// references that its body holds may be dangling by then.) `loop::shutdown_generators`, which
/// `run` calls, closes those that still exist at the end.
///
/// **Thread safety**: belongs to the loop that asked for its first value; one task at a time may be
/// inside of it (`invalid_state_error`). **Lifetime**: must not be moved while a task is inside.
template <class T, class Send = void>
class [[nodiscard("a generator does nothing until its first value is asked for")]] async_generator {
public:
    using promise_type = detail::generator_promise<T, Send>;
    using value_type = T;
    using sent_type = Send;

    async_generator(async_generator && other) noexcept
        : async_generator(std::exchange(other.frame_, nullptr)) {}
    async_generator& operator=(async_generator&& other) noexcept {
        if (this != &other) {
            drop();
            own(std::exchange(other.frame_, nullptr));
        }
        return *this;
    }
    ~async_generator() {
        drop();
    }

    /// Awaited: the next value, or nothing if the body has ended. Throws what leaves the body; the
    /// generator has ended then.
    [[nodiscard]] auto next() {
        return detail::generator_next<T, Send>(frame(), std::nullopt, nullptr);
    }
    /// As `next`; the `co_yield` that the body stands at gives `value`. The first step must be a
    /// `next` (`invalid_state_error`).
    template <class U>
        requires(!std::is_void_v<Send>)
    [[nodiscard]] auto asend(U && value) {
        using sent = std::conditional_t<std::is_void_v<Send>, std::nullopt_t, std::optional<Send>>;
        return detail::generator_next<T, Send>(frame(), sent(std::forward<U>(value)), nullptr);
    }
    /// As `next`; the `co_yield` that the body stands at throws. A generator that has not begun
    /// ends without having run; one that has ended gives nothing.
    [[nodiscard]] auto athrow(std::exception_ptr exception) {
        return detail::generator_next<T, Send>(frame(), std::nullopt, std::move(exception));
    }
    template <class E>
        requires std::derived_from<std::decay_t<E>, std::exception>
    [[nodiscard]] auto athrow(E && exception) {
        return athrow(std::make_exception_ptr(std::forward<E>(exception)));
    }
    /// Awaited: ends the generator, see above. Throws what its clean-up throws, and
    /// `invalid_state_error` if it yields once more. No effect on one that has ended.
    [[nodiscard]] auto aclose() {
        return detail::generator_close(frame());
    }

    /// Its body has ended, or it was moved from.
    [[nodiscard]] bool finished() const noexcept {
        return frame_ == nullptr || promise().state == detail::generator_state::finished;
    }
    [[nodiscard]] bool valid() const noexcept {
        return frame_ != nullptr;
    }

private:
    template <class, class>
    friend class detail::generator_promise;
    explicit async_generator(detail::frame_base * frame) noexcept {
        own(frame);
    }
    void own(detail::frame_base * frame) noexcept {
        frame_ = frame;
        if (frame_ != nullptr) { promise().owner = &frame_; }
    }

    [[nodiscard]] promise_type& promise() const noexcept {
        return *static_cast<promise_type*>(frame_);
    }
    [[nodiscard]] detail::frame_base** frame() {
        if (frame_ == nullptr) [[unlikely]] { detail::throw_empty_generator(); }
        return &frame_;
    }
    void drop() noexcept {
        if (frame_ == nullptr) { return; }
        auto& self = promise();
        self.owner = nullptr;
        if (self.state == detail::generator_state::running) {
            self.is_abandoned = true;  // the step in progress destroys it
        } else {
            self.coroutine().destroy();
        }
        frame_ = nullptr;
    }

    detail::frame_base* frame_ = nullptr;
};

namespace detail {

template <class T, class Send>
async_generator<T, Send> generator_promise<T, Send>::get_return_object() noexcept {
    static_assert(finds_its_coroutine<generator_promise>,
                  "a generator cannot yield values of extended alignment; yield pointers to them");
    return async_generator<T, Send>(this);
}

/// Calls `f(item)`, awaits the result if it is a coroutine; false if that says to stop.
template <class F, class T>
coro<bool> visit_item(F& f, T&& item) {
    using result = std::invoke_result_t<F&, T&&>;
    if constexpr (std::is_same_v<result, coro<bool>>) {
        const bool go_on = co_await f(std::forward<T>(item));
        co_return go_on;
    } else if constexpr (std::is_same_v<result, coro<>>) {
        co_await f(std::forward<T>(item));
        co_return true;
    } else if constexpr (std::is_same_v<result, bool>) {
        co_return f(std::forward<T>(item));
    } else {
        f(std::forward<T>(item));
        co_return true;
    }
}

}  // namespace detail

/// Calls `f(value)` for all values, and awaits it if it is a coroutine function; a `false` from it
/// ends the loop. However it ends, also by an exception or a cancellation, the generator is closed
/// before.
template <class T, class Send, class F>
coro<> for_each(async_generator<T, Send> source, F f) {
    std::exception_ptr failure;
    try {
        for (;;) {
            auto item = co_await source.next();
            if (!item) { break; }
            const bool go_on = co_await detail::visit_item(f, std::move(*item));
            if (!go_on) { break; }
        }
    } catch (...) { failure = std::current_exception(); }
    co_await source.aclose();
    if (failure) { std::rethrow_exception(failure); }
}

}  // namespace coroscope
