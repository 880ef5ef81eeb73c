// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/detail/task_core.hpp>

#include <coroutine>

namespace coroscope::detail {

/// What join and future awaiters share: a waiter of a completion that wakes the task it stands in.
class completion_awaiter : public completion_waiter, public wait_node {
public:
    void on_complete() noexcept final {
        auto* task = waiting_;
        if (task->loop->wants(hook::edge)) [[unlikely]] { notify_edge(); }
        task->wake();
    }
    void add_awaiting(std::vector<task_core*>& to) const final { to.push_back(waiting_); }

protected:
    ~completion_awaiter() = default;

    void wait(completion& source, frame_base& frame, wait_kind kind,
              std::uint64_t object) noexcept {
        waiting_ = frame.task;
        source.add_waiter(*this);
        waiting_->begin_wait(*this, kind, object);
    }
    void throw_if_cancelled() {
        if (waiting_ != nullptr) { waiting_->throw_if_cancelled(); }
    }
    [[nodiscard]] task_core* waiting() const noexcept { return waiting_; }

private:
    virtual void notify_edge() noexcept = 0;
    task_core* waiting_ = nullptr;
};

/// Awaits a task's end. Cancelling the waiting task cancels the awaited one.
class join_awaiter : public completion_awaiter {
public:
    explicit join_awaiter(task_reference<task_core> target) noexcept : target_(std::move(target)) {}

    [[nodiscard]] bool await_ready() const noexcept { return target_->done(); }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> suspended) {
        suspend(suspended.promise());
    }
    [[nodiscard]] task_core* cancel_wait() noexcept override { return target_.get(); }
    void give_up_wait() noexcept override {
        unlink();
        waiting()->wake_cancelled();
    }

protected:
    ~join_awaiter() = default;
    void finish() {
        throw_if_cancelled();
        target_->throw_unless_value("task");
    }
    [[nodiscard]] task_core& target() const noexcept { return *target_; }

private:
    void suspend(frame_base& frame) {
        const bool is_possible = target_.get() != frame.task && target_->loop == frame.task->loop;
        if (!is_possible) [[unlikely]] { throw_impossible(frame); }
        wait(*target_, frame, wait_kind::task, target_->id());
    }
    /// A task awaits itself, or one of another loop.
    [[noreturn]] void throw_impossible(const frame_base& frame) const;
    void notify_edge() noexcept override;
    task_reference<task_core> target_;
};

template <class T>
class shared_join final : public join_awaiter {
public:
    using join_awaiter::join_awaiter;
    shared_result<T> await_resume() {
        finish();
        return static_cast<const typed_task<T>&>(target()).result.get();
    }
};

template <class T>
class consuming_join final : public join_awaiter {
public:
    using join_awaiter::join_awaiter;
    T await_resume() {
        finish();
        return std::move(static_cast<typed_task<T>&>(target()).result).get();
    }
};

}  // namespace coroscope::detail
