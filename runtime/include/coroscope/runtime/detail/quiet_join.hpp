// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/detail/join.hpp>
#include <coroscope/runtime/detail/task_core.hpp>

#include <coroutine>
#include <exception>
#include <utility>

namespace coroscope::detail {

/// Awaits a task's end without its outcome. Cancelling the waiting task ends the wait alone.
class quiet_join_awaiter final : public completion_awaiter {
public:
    explicit quiet_join_awaiter(task_reference<task_core> target) noexcept
        : target_(std::move(target)) {}

    [[nodiscard]] bool await_ready() const noexcept { return target_->done(); }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> suspended) {
        wait(*target_, suspended.promise(), wait_kind::task, target_->id());
    }
    void await_resume() { throw_if_cancelled(); }
    [[nodiscard]] task_core* cancel_wait() noexcept override {
        unlink();
        waiting()->wake_cancelled();
        return nullptr;
    }

private:
    void notify_edge() noexcept override {
        waiting()->loop->notify_edge(edge_kind::join, target_->id(), waiting()->id());
    }
    task_reference<task_core> target_;
};

/// `co_await quiet_join(task.core())`.
class quiet_join {
public:
    explicit quiet_join(task_core& target) noexcept : target_(target) {}
    [[nodiscard]] quiet_join_awaiter coroscope_awaiter() const noexcept {
        return quiet_join_awaiter(task_reference<task_core>(&target_));
    }

private:
    task_core& target_;
};

/// `co_await callers_line()`: where the coroutine that awaits this one stands; does not suspend.
class callers_line {
public:
    [[nodiscard]] callers_line coroscope_awaiter() const noexcept { return {}; }
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> suspended) noexcept {
        frame_base& frame = suspended.promise();
        line_ = frame.parent != nullptr ? frame.parent->site
                                        : frame.task->record().origin.load().call();
        frame.site = line_;
        return false;
    }
    [[nodiscard]] await_site await_resume() const noexcept { return line_; }

private:
    await_site line_{};
};

/// Runs `work` to its end in a task of its own, whatever cancels the awaiting one meanwhile. Then
/// throws, if there is one: what `work` threw (a cancellation is kept for the next co_await), the
/// cancellation, or `before`, which is what happened before.
coro<void> finish_release(coro<void> work, std::exception_ptr before, await_site where);

}  // namespace coroscope::detail
