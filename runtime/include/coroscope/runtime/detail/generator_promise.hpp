// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/detail/result_slot.hpp>

#include <concepts>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <optional>
#include <utility>

namespace coroscope {

template <class T, class Send>
class async_generator;

namespace detail {

enum class generator_state : std::uint8_t {
    created,   ///< nothing of its body has run
    at_yield,  ///< suspended at a `co_yield`, with no task
    running,   ///< a task is inside of it
    finished,  ///< its body has ended
};

/// A generator without its types: one more frame of the task that asks for its next value. The
/// loop knows those that have begun and not ended, so that it can close them.
class generator_promise_base : public promise_base {
public:
    generator_promise_base() noexcept { parent = nullptr; }
    generator_promise_base(const generator_promise_base&) = delete;
    generator_promise_base& operator=(const generator_promise_base&) = delete;
    ~generator_promise_base() {
        if (owner != nullptr) { *owner = nullptr; }
        leave_loop();
    }

    /// No task's: it lives on while tasks come and go.
    static void operator delete(void* memory, std::size_t size) noexcept {
        free_frame(memory, size);
    }

    struct end_awaiter {
        [[nodiscard]] bool await_ready() const noexcept { return false; }
        template <class Promise>
        void await_suspend(std::coroutine_handle<Promise> finished) const noexcept {
            generator_promise_base& self = finished.promise();
            self.leave_loop();
            self.end_step(generator_state::finished);
        }
        void await_resume() const noexcept {}
    };
    [[nodiscard]] end_awaiter final_suspend() const noexcept { return {}; }
    void unhandled_exception() noexcept { exception_ = std::current_exception(); }
    void return_void() const noexcept {}

    /// Makes it the innermost frame of `consumer`'s task. Throws `invalid_state_error` if another
    /// task is inside of it, or if it began on another loop.
    void begin_step(frame_base& consumer);
    /// Gives control back to the consumer.
    void end_step(generator_state reached) noexcept;
    /// Not to be closed by the loop any more.
    void leave_loop() noexcept;
    [[nodiscard]] std::exception_ptr take_exception() noexcept {
        return std::exchange(exception_, nullptr);
    }

    frame_base** owner = nullptr;  ///< where its `async_generator` keeps it; null: that is gone
    generator_state state = generator_state::created;
    bool is_shut_down = false;        ///< `loop::shutdown_generators` has tried it
    bool is_abandoned = false;        ///< its `async_generator` went while a task was inside of it
    std::exception_ptr to_be_thrown;  ///< at the `co_yield` it stands at
    generator_promise_base* next_open = nullptr;  ///< links of the loop's list
    generator_promise_base* previous_open = nullptr;

private:
    std::exception_ptr exception_;  ///< with which its body ended
    loop_core* loop_ = nullptr;     ///< where it began; null before and after
};

template <class Send>
struct sent_to_generator {
    using type = std::optional<Send>;
};
template <>
struct sent_to_generator<void> {
    using type = void;
};

template <class T, class Send>
class generator_promise final : public generator_promise_base {
public:
    class yield_awaiter {
    public:
        explicit yield_awaiter(generator_promise& self) noexcept : self_(&self) {}
        [[nodiscard]] bool await_ready() const noexcept { return false; }
        void await_suspend(std::coroutine_handle<>) const noexcept {
            self_->end_step(generator_state::at_yield);
        }
        typename sent_to_generator<Send>::type await_resume() const {
            if (self_->to_be_thrown) [[unlikely]] {
                std::rethrow_exception(std::exchange(self_->to_be_thrown, nullptr));
            }
            if constexpr (!std::is_void_v<Send>) {
                return std::exchange(self_->sent, std::nullopt);
            }
        }

    private:
        generator_promise* self_;
    };

    [[nodiscard]] async_generator<T, Send> get_return_object() noexcept;
    template <class U = T>
        requires std::convertible_to<U&&, T>
    [[nodiscard]] yield_awaiter yield_value(U&& item, await_site where = await_site::current()) {
        site = where;
        value.emplace(std::forward<U>(item));
        return yield_awaiter(*this);
    }

    std::optional<T> value;  ///< yielded and not yet taken
    struct nothing {};
    std::conditional_t<std::is_void_v<Send>, nothing, typename sent_to_generator<Send>::type> sent;
};

[[noreturn]] void throw_empty_generator();
[[nodiscard]] std::exception_ptr make_generator_exit();
/// What a close that ended with this throws; null for the `generator_exit` itself.
[[nodiscard]] std::exception_ptr failure_of_close(std::exception_ptr ended_with) noexcept;
[[nodiscard]] std::exception_ptr error_of_yield_while_closing(const generator_promise_base& self);
[[noreturn]] void throw_sent_too_early();

/// One step of a generator, as the consumer awaits it.
class generator_step {
public:
    /// `frame`: where the generator's owner keeps it.
    explicit generator_step(frame_base** frame) noexcept : frame_(frame) {}

    [[nodiscard]] bool await_ready() const noexcept {
        return self() == nullptr || self()->state == generator_state::finished;
    }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> consumer) {
        ran_ = self();
        ran_->begin_step(consumer.promise());
    }

protected:
    [[nodiscard]] generator_promise_base* self() const noexcept {
        return static_cast<generator_promise_base*>(*frame_);
    }
    /// Throws what left the generator's body. To be called first when resumed.
    void throw_failure();

    frame_base** frame_;
    generator_promise_base* ran_ = nullptr;  ///< null: there was nothing left to run
};

template <class T, class Send>
class [[nodiscard]] generator_next : public generator_step {
public:
    using sent_type = std::conditional_t<std::is_void_v<Send>, std::nullopt_t, std::optional<Send>>;
    generator_next(frame_base** frame, sent_type sent, std::exception_ptr thrown)
        : generator_step(frame),
          sent_(std::move(sent)),
          thrown_(std::move(thrown)) {}
    [[nodiscard]] generator_next coroscope_awaiter() && { return std::move(*this); }

    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> consumer) {
        auto& typed = static_cast<generator_promise<T, Send>&>(*self());
        const bool is_first = typed.state == generator_state::created;
        if constexpr (!std::is_void_v<Send>) {
            if (is_first && sent_.has_value()) { throw_sent_too_early(); }
        }
        if (is_first && thrown_ != nullptr) {
            typed.state = generator_state::finished;  // its body is never entered
            std::rethrow_exception(std::exchange(thrown_, nullptr));
        }
        generator_step::await_suspend(consumer);
        typed.to_be_thrown = std::move(thrown_);
        if constexpr (!std::is_void_v<Send>) { typed.sent = std::move(sent_); }
    }
    std::optional<T> await_resume() {
        throw_failure();
        if (ran_ == nullptr || ran_->state == generator_state::finished) { return std::nullopt; }
        auto& typed = static_cast<generator_promise<T, Send>&>(*ran_);
        return std::exchange(typed.value, std::nullopt);
    }

private:
    sent_type sent_;
    std::exception_ptr thrown_;
};

/// Closes a generator: throws `generator_exit` at its `co_yield` and waits for its end.
class [[nodiscard]] generator_close : public generator_step {
public:
    using generator_step::generator_step;
    [[nodiscard]] generator_close coroscope_awaiter() const noexcept { return *this; }
    [[nodiscard]] bool await_ready() const noexcept;
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> consumer) {
        generator_step::await_suspend(consumer);
        ran_->to_be_thrown = make_generator_exit();
    }
    void await_resume();
};

}  // namespace detail
}  // namespace coroscope
