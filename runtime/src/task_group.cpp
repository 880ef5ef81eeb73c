// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/task_group.hpp>

#include "sited.hpp"

#include <coroscope/runtime/error.hpp>

#include <string>

namespace coroscope {
namespace {

/// Waits until a group has no tasks left.
class idle_awaiter final : public detail::list_waiter {
public:
    explicit idle_awaiter(detail::wait_list& idle) noexcept : idle_(idle) {}
    idle_awaiter(const idle_awaiter&) = delete;
    idle_awaiter& operator=(const idle_awaiter&) = delete;
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> suspended) {
        detail::frame_base& frame = suspended.promise();
        enter(idle_, frame, frame.site);
    }
    void await_resume() {
        finish();
        note_passage(&idle_);
    }
    ~idle_awaiter() { settle(); }

private:
    detail::wait_list& idle_;
};

struct until_idle {
    explicit until_idle(detail::wait_list& list) noexcept : idle(list) {}
    [[nodiscard]] idle_awaiter coroscope_awaiter() const noexcept { return idle_awaiter(idle); }
    detail::wait_list& idle;
};

}  // namespace

void task_group::enter(await_site where) {
    if (phase_ != phase::created) {
        throw invalid_state_error("the task_group run at " + to_string(where_)
                                  + " was run a second time at " + to_string(where)
                                  + "; make one for each run");
    }
    parent_ = current_task();
    where_ = where;
    requests_before_ = parent_.cancelling();
    phase_ = phase::body_runs;
}

void task_group::expect_open(await_site where) const {
    if (detail::access_listener != nullptr) [[unlikely]] { note_newcomer(where); }
    const char* why = nullptr;
    if (phase_ == phase::created) {
        why = "has not been entered; call create_task from the body that run was given";
    } else if (phase_ == phase::finished || (phase_ == phase::winding_up && children_.empty())) {
        why = "is finished; make a new one";
    } else if (aborting_) {
        why = "is shutting down because of a failure or a cancellation; it takes no more tasks";
    } else {
        return;
    }
    throw invalid_state_error("a task was to be created at " + to_string(where) + " in a task_group"
                              + (where_.line() != 0 ? " (run at " + to_string(where_) + ")" : "")
                              + " that " + why);
}

/// Whether there are tasks left makes no difference to the parent, which waits for them later.
void task_group::note_newcomer(await_site where) const noexcept {
    const auto* core = detail::running_loop;
    const bool is_parents =
        core != nullptr && parent_.valid() && core->current == &parent_.core();
    if (!is_parents) { detail::note_change(&children_, where); }
    detail::note_use(&aborting_, detail::access_kind::test, where);
}

void task_group::add(any_task made) {
    auto& added = children_.emplace_back(*this, std::move(made));
    added.place = std::prev(children_.end());
    auto& core = added.task.core();
    if (core.done()) {  // a task factory may have run it
        child_done(added.place);
    } else {
        core.add_waiter(added);
    }
}

void task_group::child_done(std::list<child>::iterator place) noexcept {
    const auto task = std::move(place->task);
    children_.erase(place);
    auto& core = task.core();
    if (core.loop->wants(hook::edge)) [[unlikely]] {
        core.loop->notify_edge(edge_kind::join, core.id(), parent_.id());
    }
    detail::note_use(&children_, detail::access_kind::test);
    detail::note_arrival(&idle_);
    if (children_.empty()) {
        detail::note_use(&idle_, detail::access_kind::release);
        idle_.wake_first();
    }
    if (core.status() != detail::completion_status::exception) { return; }
    detail::note_change(&aborting_);
    core.mark_retrieved();
    errors_.push_back(core.exception());
    if (aborting_) { return; }
    abort();
    if (phase_ == phase::body_runs) {
        cancelled_parent_ = true;
        parent_.cancel();
    }
}

void task_group::abort() noexcept {
    detail::note_change(&aborting_);
    aborting_ = true;
    for (auto& each : children_) {
        each.task.cancel();
    }
}

void task_group::leave_body() {
    detail::note_change(&aborting_);
    detail::note_use(&idle_, detail::access_kind::test);
    phase_ = phase::winding_up;
    if (cancelled_parent_ && parent_.uncancel() <= requests_before_) {
        parent_.core().must_cancel = false;  // ours alone, and perhaps not delivered yet
    }
    if (body_error_ == nullptr) { return; }
    if (detail::is_cancellation(body_error_)) {
        cancellation_ = std::exchange(body_error_, nullptr);
    }
    if (!aborting_) { abort(); }
}

coro<> task_group::wind_up() {
    detail::note_use(&idle_, detail::access_kind::test);
    try {
        co_await detail::at(where_, until_idle(idle_));
    } catch (...) {
        if (!aborting_) {
            cancellation_ = std::current_exception();
            abort();
        }
    }
}

void task_group::finish() {
    detail::note_use(&idle_, detail::access_kind::test);
    detail::note_change(&aborting_);
    phase_ = phase::finished;
    if (body_error_ != nullptr) { errors_.push_back(std::exchange(body_error_, nullptr)); }
    if (errors_.empty()) {
        if (cancellation_ != nullptr) {
            std::rethrow_exception(std::exchange(cancellation_, nullptr));
        }
        return;
    }
    // The failures are told first; a cancellation from outside is kept for the next co_await.
    if (parent_.cancelling() > requests_before_) { parent_.core().must_cancel = true; }
    throw exception_group("unhandled errors in a task_group", std::exchange(errors_, {}));
}

}  // namespace coroscope
