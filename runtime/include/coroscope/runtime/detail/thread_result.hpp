// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/detail/completion.hpp>
#include <coroscope/runtime/detail/loop_core.hpp>
#include <coroscope/runtime/detail/result_slot.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/task.hpp>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <string_view>
#include <type_traits>
#include <utility>

namespace coroscope::detail {

/// An outcome that a loop's thread sets and other threads wait for.
class thread_result_base : public std::enable_shared_from_this<thread_result_base> {
public:
    explicit thread_result_base(const loop_core& core) noexcept
        : loop_id_(core.id),
          mail_(core.mail) {}
    thread_result_base(const thread_result_base&) = delete;
    thread_result_base& operator=(const thread_result_base&) = delete;

    [[nodiscard]] bool done() const;
    [[nodiscard]] bool cancelled() const;
    [[nodiscard]] bool wait_for(std::chrono::nanoseconds timeout) const;
    void wait() const;
    bool cancel(std::string_view message);

    /// The task while it runs; touched on the loop's thread only.
    any_task running;

    /// Sets the outcome unless there is one.
    void finish(completion_status status, std::exception_ptr why) noexcept;
    /// The loop went away before the coroutine ended.
    void abandon() noexcept;

protected:
    ~thread_result_base() = default;
    void throw_unless_value() const;
    /// Runs `set` and ends it with a value, unless it is done.
    template <class F>
    void finish_with(F&& set) {
        {
            const std::scoped_lock lock(mutex_);
            if (status_ != completion_status::pending) { return; }
            set();
            note_given();
            status_ = completion_status::value;
        }
        changed_.notify_all();
    }

private:
    void expect_other_thread() const;
    void note_given() const noexcept;
    void note_taken() const noexcept;

    mutable std::mutex mutex_;
    mutable std::condition_variable changed_;
    completion_status status_ = completion_status::pending;
    std::exception_ptr exception_;
    std::uint32_t loop_id_;
    std::shared_ptr<inbox> mail_;
};

template <class T>
class thread_result final : public thread_result_base {
public:
    using thread_result_base::thread_result_base;

    /// Takes over what came of the task; on the loop's thread.
    void take_from(task<T> ended) noexcept {
        auto& core = ended.core();
        auto status = core.status();
        auto why = core.exception();
        core.mark_retrieved();
        if (status == completion_status::value) {
            try {
                finish_with([&] {
                    if constexpr (std::is_void_v<T>) {
                        result_.set();
                    } else {
                        result_.set(std::move(ended).result());
                    }
                });
                return;
            } catch (...) {  // a move constructor threw
                status = completion_status::exception;
                why = std::current_exception();
            }
        }
        finish(status, std::move(why));
    }
    [[nodiscard]] T take() {
        throw_unless_value();
        return std::move(result_).get();
    }

private:
    result_slot<T> result_;
};

/// Watches the task for a `thread_result`; owned by itself, destroyed at the task's end.
template <class T>
class thread_watch final : public completion_waiter {
public:
    thread_watch(task<T> watched, std::shared_ptr<thread_result<T>> state)
        : task_(std::move(watched)),
          state_(std::move(state)) {
        state_->running = task_;
        task_.core().add_waiter(*this);
    }
    void on_complete() noexcept override {
        state_->running = {};
        state_->take_from(std::move(task_));
        delete this;
    }

private:
    task<T> task_;
    std::shared_ptr<thread_result<T>> state_;
};

/// What is posted to the loop: starts the coroutine. Destroyed without that, it tells those who
/// wait.
template <class T>
class thread_start {
public:
    thread_start(coro<T> work, std::shared_ptr<thread_result<T>> state, await_site where)
        : work_(std::move(work)),
          state_(std::move(state)),
          where_(where) {}
    thread_start(thread_start&&) = default;
    thread_start& operator=(thread_start&&) = delete;
    ~thread_start() {
        if (state_ != nullptr) { state_->abandon(); }
    }
    void operator()() {
        const auto state = std::move(state_);
        if (state->done()) { return; }  // cancelled before it began
        try {
            auto started = get_running_loop().create_task(std::move(work_), {}, where_);
            if (started.done()) {
                state->take_from(started);
            } else {
                new thread_watch<T>(started, state);  // NOLINT: owns itself
            }
        } catch (...) {  // the task factory's
            state->finish(completion_status::exception, std::current_exception());
        }
    }

private:
    coro<T> work_;
    std::shared_ptr<thread_result<T>> state_;
    await_site where_;
};

}  // namespace coroscope::detail
