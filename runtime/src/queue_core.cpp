// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/detail/queue_core.hpp>

#include <coroscope/runtime/error.hpp>

#include <string>

namespace coroscope::detail {

void queue_waiter::enter_list(wait_list& list, frame_base& frame) {
    core_->identify(*frame.task->loop);
    // Whoever comes first is served first; of those who wait for the end, all are woken.
    if (&list != &core_->joining()) { note_change(&core_->getters(), where_); }
    enter(list, frame, where_);
}

task_core* queue_waiter::cancel_wait() noexcept {
    note_change(&core_->getters(), where_);
    return list_waiter::cancel_wait();
}

void queue_getter::pass_on() noexcept {
    note_change(&core_->getters(), where_);
    if (!refused() && !core_->is_drained()) { core_->item_is_free(); }
}

void queue_putter::pass_on() noexcept {
    note_change(&core_->getters(), where_);
    if (!refused()) { core_->place_given_up(); }
}

void queue_core::give_places() noexcept {
    while (!full() && putters_.wake_first() != nullptr) {
        ++places_taken_;
    }
}

void queue_core::identify(loop_core& core) noexcept {
    if (getters_.id() != 0) [[likely]] { return; }
    getters_.identify(core);
    putters_.share_id(getters_);
    finished_.share_id(getters_);
}

void queue_core::note_join() const noexcept {
    note(access_kind::test);
    note_use(&finished_, access_kind::test);
}

void queue_core::task_done() {
    note(access_kind::test);
    if (unfinished_ == 0) {
        throw invalid_state_error("task_done() was called on queue " + std::to_string(getters_.id())
                                  + " by " + describe_current_task()
                                  + " more often than items were put; call it once for each item "
                                    "that was got");
    }
    note_arrival(&finished_);
    if (--unfinished_ > 0) { return; }
    note_use(&finished_, access_kind::release);
    while (finished_.wake_first() != nullptr) {}
}

void queue_core::shut_down(bool immediate, std::size_t stored) noexcept {
    note(access_kind::release);
    if (immediate) { note_change(&finished_); }
    shut_down_ = true;
    if (immediate && !drained_) {
        drained_ = true;
        free_items_ = 0;
        unfinished_ -= stored < unfinished_ ? stored : unfinished_;
        if (unfinished_ == 0) {
            while (finished_.wake_first() != nullptr) {}
        }
    }
    for (auto* list : {&getters_, &putters_}) {
        while (auto* waiter = list->wake_first()) {
            static_cast<queue_waiter*>(waiter)->refuse();
        }
    }
}

namespace {

/// Whoever tries again and again should wait instead.
void remark_attempt(const char* what, std::uint64_t queue) noexcept {
    remark made;
    made.kind = remark_kind::nothing_there;
    made.what = what;
    made.object_id = queue;
    make_remark(made);
}

}  // namespace

void queue_core::throw_full() const {
    note(access_kind::test);
    remark_attempt("queue::put_nowait", getters_.id());
    throw queue_full("queue " + std::to_string(getters_.id()) + " is full ("
                     + std::to_string(capacity_) + " items); await put() to wait for room");
}

void queue_core::throw_empty(await_site where) const {
    note_refusal(&getters_, "queue", getters_.id(), lock_use::none, where);
    remark_attempt("queue::get_nowait", getters_.id());
    throw queue_empty("queue " + std::to_string(getters_.id())
                      + " is empty; await get() to wait for an item");
}

void queue_core::throw_shut_down(const char* what, await_site where) const {
    note(access_kind::test, where);
    throw queue_shutdown("queue " + std::to_string(getters_.id()) + " was shut down (" + what
                         + " at " + to_string(where) + "); nothing comes after that");
}

}  // namespace coroscope::detail
