// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/detail/wait_list.hpp>

#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>

#include <exception>
#include <string>

namespace coroscope::detail {

void list_waiter::enter(wait_list& list, frame_base& frame, await_site where) {
    frame.site = where;
    const auto* other = list.first();
    if (other != nullptr && other->task_->loop != frame.task->loop) [[unlikely]] {
        throw invalid_state_error(
            std::string("a ") + to_string(list.kind_) + " was waited for at "
            + to_string(frame.site)
            + " by a task of another loop than those that wait already; such objects belong to the "
              "tasks of one loop");
    }
    task_ = frame.task;
    list.identify(*task_->loop);
    list.add(*this);
    task_->begin_wait(*this, list.kind_, list.id_);
}

task_core* list_waiter::cancel_wait() noexcept {
    const auto* from = list_;
    note_change(from);
    leave();
    stop_waiting(*from);
    return nullptr;
}

void list_waiter::throw_cancelled(bool was_given) {
    if (was_given) { pass_on(); }
    task_->throw_if_cancelled();
    throw cancelled_error();  // the request was taken back, what was waited for is not to be had
}

void list_waiter::leave() noexcept {
    if (chosen_) {
        list_->chosen_.remove(*this);
    } else {
        list_->remove(*this);
    }
    list_ = nullptr;
}

void wait_list::note_end() const noexcept {
    note_change(this);
    note_end_of_life(this, sizeof(*this));
}

void wait_list::dissolve() noexcept {
    while (waiting_.first != nullptr) {
        auto& waiter = *waiting_.first;
        auto& task = *waiter.task_;
        remove(waiter);
        waiter.list_ = nullptr;
        const bool goes_as_well = task.loop->self == nullptr || task.loop->self->is_closed();
        if (!goes_as_well) {
            task.extras().interruption = destroyed_under(waiter);
            waiter.stop_waiting(*this);
        }
    }
    while (chosen_.first != nullptr) {
        auto& waiter = *chosen_.first;
        chosen_.remove(waiter);
        waiter.list_ = nullptr;
        if (!waiter.outlives_object()) {
            waiter.task_->extras().interruption = destroyed_under(waiter);
            waiter.task_->must_cancel = true;
        }
    }
}

std::exception_ptr wait_list::destroyed_under(const list_waiter& waiter) const {
    const auto& task = *waiter.task_;
    return std::make_exception_ptr(invalid_state_error(
        std::string("a ") + to_string(kind_) + " was destroyed while task "
        + display_name(task.id(), task.given_name()) + " waits for it at "
        + to_string(task.top->site) + "; keep it until they are done, or cancel them first"));
}

list_waiter* wait_list::wake_first() noexcept {
    auto* waiter = waiting_.first;
    if (waiter == nullptr) { return nullptr; }
    waiting_.remove(*waiter);
    --size_;
    chosen_.add(*waiter);
    waiter->chosen_ = true;
    note_edge(*waiter);
    waiter->task_->wake();
    return waiter;
}

void wait_list::note_edge(const list_waiter& waiter) const noexcept {
    auto& core = *waiter.task_->loop;
    if (core.wants(hook::edge)) [[unlikely]] {
        core.notify_edge(edge_, core.current != nullptr ? core.current->id() : 0,
                         waiter.task_->id());
    }
}

void wait_list::move_to(wait_list& other, list_waiter& waiter) noexcept {
    remove(waiter);
    other.add_again(waiter);
}

void wait_list::add_again(list_waiter& waiter) noexcept {
    identify(*waiter.task_->loop);
    add(waiter);
    auto& record = waiter.task_->record();
    record.waits_for.store(kind_, std::memory_order_release);
    record.wait_object.store(id_, std::memory_order_release);
}

void wait_list::add(list_waiter& waiter) noexcept {
    waiter.list_ = this;
    waiting_.add(waiter);
    ++size_;
}

void wait_list::remove(list_waiter& waiter) noexcept {
    waiting_.remove(waiter);
    --size_;
}

void wait_list::chain::add(list_waiter& waiter) noexcept {
    waiter.previous_ = last;
    waiter.next_ = nullptr;
    (last != nullptr ? last->next_ : first) = &waiter;
    last = &waiter;
}

void wait_list::chain::remove(list_waiter& waiter) noexcept {
    (waiter.previous_ != nullptr ? waiter.previous_->next_ : first) = waiter.next_;
    (waiter.next_ != nullptr ? waiter.next_->previous_ : last) = waiter.previous_;
}

void report_misuse(std::exception_ptr misuse, await_site where) noexcept {
    const auto* core = running_loop;
    if (core == nullptr || core->self == nullptr) { return; }
    exception_context context;
    context.message = "a lock's guard could not give back what it held";
    context.exception = std::move(misuse);
    context.created_at = where;
    if (core->current != nullptr) {
        context.task_id = core->current->id();
        context.task_name = display_name(context.task_id, core->current->given_name());
    }
    core->self->call_exception_handler(context);
}

std::string describe_current_task() {
    const auto* core = running_loop;
    if (core == nullptr || core->current == nullptr) { return "no task"; }
    const auto id = core->current->id();
    return "task " + std::to_string(id) + " (" + display_name(id, core->current->given_name())
           + ")";
}

}  // namespace coroscope::detail
