// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/detail/multi_wait.hpp>

#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/error.hpp>

#include <stdexcept>
#include <string>
#include <unordered_set>
#include <utility>

namespace coroscope::detail {

void prepare_wait(std::vector<any_task>& tasks) {
    if (tasks.empty()) {
        throw std::invalid_argument(
            "wait was given no tasks; it would never have anything to return "
            "for, so leave it out");
    }
    std::unordered_set<const task_core*> seen;
    std::vector<any_task> once;
    once.reserve(tasks.size());
    for (auto& t : tasks) {
        if (!t.valid()) {
            throw std::invalid_argument("wait was given an empty task handle (number "
                                        + std::to_string(&t - tasks.data())
                                        + "); give it tasks that create_task returned");
        }
        if (seen.insert(&t.core()).second) { once.push_back(std::move(t)); }
    }
    tasks = std::move(once);
}

multi_wait::~multi_wait() {
    if (timer_.armed()) { task_->loop->timers.disarm(timer_); }
}

bool multi_wait::await_ready() noexcept {
    left_ = 0;
    bool enough = false;
    for (const auto& t : tasks_) {
        if (t.done()) {
            enough = enough || is_enough(t.core());
        } else {
            ++left_;
        }
    }
    return enough || left_ == 0;
}

bool multi_wait::is_enough(const task_core& finished) const noexcept {
    switch (when_) {
    case return_when::first_completed: return true;
    case return_when::first_exception: return finished.status() == completion_status::exception;
    case return_when::all_completed: break;
    }
    return false;
}

void multi_wait::expect_possible(const frame_base& frame) const {
    for (const auto& t : tasks_) {
        if (&t.core() == frame.task) {
            throw invalid_state_error("task " + display_name(t.id(), t.core().given_name())
                                      + " waits for itself at " + to_string(frame.site)
                                      + "; leave current_task() out of what it waits for");
        }
        if (t.core().loop != frame.task->loop) {
            throw invalid_state_error("a task of another loop was given to wait at "
                                      + to_string(frame.site) + "; tasks belong to one loop");
        }
    }
}

void multi_wait::suspend(frame_base& frame) {
    expect_possible(frame);
    task_ = frame.task;
    if (task_->must_cancel) {
        task_->wake();  // to throw, one trip through the queue later
        return;
    }
    watches_ = std::make_unique<watch[]>(tasks_.size());
    for (std::size_t i = 0; i < tasks_.size(); ++i) {
        auto& child = tasks_[i].core();
        watches_[i].wait = this;
        watches_[i].index = i;
        if (!child.done()) { child.add_waiter(watches_[i]); }
    }
    auto& core = *task_->loop;
    task_->begin_wait(*this, wait_kind::group, core.next_object_id++);
    if (timeout_ != duration::max()) {
        const auto now = core.time->now();
        timer_.target = ready_entry(task_);
        core.arm(timer_, saturating_add(now, timeout_), now);
    }
}

void multi_wait::child_done(std::size_t index) noexcept {
    --left_;
    if (task_->waiting_on != this) { return; }  // woken by another, the timer, or a cancellation
    const auto& child = tasks_[index].core();
    auto& core = *task_->loop;
    if (core.wants(hook::edge)) [[unlikely]] {
        core.notify_edge(edge_kind::join, child.id(), task_->id());
    }
    note_arrival(this);
    if (left_ == 0 || is_enough(child)) {
        // One that is enough ends the wait whether or not the others have come.
        is_enough(child) ? note_change(this) : note_use(this, access_kind::release);
        core.timers.disarm(timer_);
        task_->wake();
    }
}

task_core* multi_wait::cancel_wait() noexcept {
    task_->loop->timers.disarm(timer_);
    task_->wake_cancelled();
    return nullptr;
}

}  // namespace coroscope::detail
