// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/generator.hpp>

#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>

#include <string>
#include <utility>

namespace coroscope {
namespace detail {

void generator_promise_base::begin_step(frame_base& consumer) {
    auto& core = *consumer.task->loop;
    if (state == generator_state::running) {
        throw invalid_state_error(
            "a generator was asked for a value at " + to_string(consumer.site) + " while "
            + (task == consumer.task ? "this task"
                                     : "task " + display_name(task->id(), task->given_name()))
            + " is inside of it; let one task use it at a time");
    }
    if (state == generator_state::at_yield && loop_ != &core) {
        throw invalid_state_error(
            "a generator that began on another loop, or on one that is closed, "
            "was asked for a value at "
            + to_string(consumer.site));
    }
    if (state == generator_state::created) {
        loop_ = &core;
        next_open = core.first_generator;
        if (next_open != nullptr) { next_open->previous_open = this; }
        core.first_generator = this;
    }
    state = generator_state::running;
    parent = &consumer;
    task = consumer.task;
    task->top = this;
}

void generator_promise_base::end_step(generator_state reached) noexcept {
    state = reached;
    task->top = parent;
    parent = nullptr;
    task = nullptr;
}

void generator_promise_base::leave_loop() noexcept {
    if (loop_ == nullptr) { return; }
    (previous_open != nullptr ? previous_open->next_open : loop_->first_generator) = next_open;
    if (next_open != nullptr) { next_open->previous_open = previous_open; }
    next_open = nullptr;
    previous_open = nullptr;
    loop_ = nullptr;
}

void generator_step::throw_failure() {
    if (ran_ == nullptr) { return; }
    const auto failure = ran_->take_exception();
    if (ran_->is_abandoned) { std::exchange(ran_, nullptr)->coroutine().destroy(); }
    if (failure) { std::rethrow_exception(failure); }
}

bool generator_close::await_ready() const noexcept {
    if (self() != nullptr && self()->state == generator_state::created) {
        self()->state = generator_state::finished;  // its body is never entered
    }
    return generator_step::await_ready();
}

void generator_close::await_resume() {
    if (ran_ == nullptr) { return; }
    const bool yielded = ran_->state == generator_state::at_yield;
    const auto failure =
        yielded ? error_of_yield_while_closing(*ran_) : failure_of_close(ran_->take_exception());
    throw_failure();  // nothing: for an abandoned frame's sake
    if (failure) { std::rethrow_exception(failure); }
}

std::exception_ptr make_generator_exit() {
    return std::make_exception_ptr(generator_exit());
}

std::exception_ptr failure_of_close(std::exception_ptr ended_with) noexcept {
    if (ended_with == nullptr) { return nullptr; }
    try {
        std::rethrow_exception(ended_with);
    } catch (const generator_exit&) { return nullptr; } catch (...) {
        return ended_with;
    }
}

std::exception_ptr error_of_yield_while_closing(const generator_promise_base& self) {
    return std::make_exception_ptr(invalid_state_error(
        "a generator that was being closed yielded again, at " + to_string(self.site)
        + "; let generator_exit out, or return, once it was thrown"));
}

void throw_sent_too_early() {
    throw invalid_state_error(
        "a value was sent to a generator that stands at no co_yield yet; ask for its first value "
        "with next()");
}

void throw_empty_generator() {
    throw invalid_state_error(
        "a generator was used that has been moved from; call the coroutine function again for "
        "another");
}

namespace {

/// The next one to close: newest first, so that a generator's source goes before the generator.
[[nodiscard]] generator_promise_base* next_to_close(const loop_core& core) noexcept {
    for (auto* open = core.first_generator; open != nullptr; open = open->next_open) {
        if (open->state == generator_state::at_yield && !open->is_shut_down) { return open; }
    }
    return nullptr;
}

}  // namespace
}  // namespace detail

coro<> loop::shutdown_generators() {
    for (;;) {
        auto* const open = detail::next_to_close(*core_);
        if (open == nullptr) { break; }
        open->is_shut_down = true;
        detail::frame_base* frame = open;
        exception_context context;
        try {
            co_await detail::generator_close(&frame);
        } catch (const cancelled_error&) { throw; } catch (...) {
            context.exception = std::current_exception();
        }
        if (context.exception == nullptr) { continue; }
        context.message = "a generator failed while it was closed together with its loop";
        call_exception_handler(context);
    }
}

}  // namespace coroscope
