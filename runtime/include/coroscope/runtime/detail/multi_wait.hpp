// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/clock.hpp>
#include <coroscope/runtime/task.hpp>

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace coroscope {

/// When `wait` is satisfied.
enum class return_when : std::uint8_t {
    first_completed,  ///< one task is done, however it ended
    first_exception,  ///< one task has failed (being cancelled is no failure), or all are done
    all_completed,    ///< all are done
};

namespace detail {

/// Checks and completes the argument of `wait`: takes out repetitions; throws
/// `std::invalid_argument` if there is nothing to wait for.
void prepare_wait(std::vector<any_task>& tasks);

/// Waits for several tasks and a deadline, without their results.
///
/// The task is woken once, by the child that satisfies the condition or by the timer; whoever comes
/// first takes the task's `waiting_on` away, by which the other knows.
class multi_wait : public wait_node {
public:
    multi_wait(std::vector<any_task> tasks, return_when when, duration timeout) noexcept
        : tasks_(std::move(tasks)),
          timeout_(timeout),
          when_(when) {}

    [[nodiscard]] bool await_ready() noexcept;
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> suspended) {
        suspend(suspended.promise());
    }
    [[nodiscard]] task_core* cancel_wait() noexcept override;

protected:
    ~multi_wait();
    /// Throws if the waiting task was cancelled.
    void finish() {
        if (task_ == nullptr) { return; }
        note_passage(this);
        task_->throw_if_cancelled();
    }
    [[nodiscard]] const std::vector<any_task>& tasks() const noexcept { return tasks_; }

private:
    struct watch final : completion_waiter {
        multi_wait* wait = nullptr;
        std::size_t index = 0;
        void on_complete() noexcept override { wait->child_done(index); }
        void add_awaiting(std::vector<task_core*>& to) const override {
            if (wait->task_->waiting_on == wait) { to.push_back(wait->task_); }
        }
    };

    void suspend(frame_base& frame);
    void expect_possible(const frame_base& frame) const;
    void child_done(std::size_t index) noexcept;
    [[nodiscard]] bool is_enough(const task_core& finished) const noexcept;

    std::vector<any_task> tasks_;
    std::unique_ptr<watch[]> watches_;
    std::size_t left_ = 0;
    task_core* task_ = nullptr;
    timer_node timer_;
    duration timeout_;
    return_when when_;
};

}  // namespace detail
}  // namespace coroscope
