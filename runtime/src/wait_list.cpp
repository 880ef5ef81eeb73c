// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/detail/wait_list.hpp>

#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>

#include <exception>
#include <string>

namespace coroscope::detail {

list_waiter::~list_waiter() {
    if (list_ != nullptr) { list_->remove(*this); }
}

void list_waiter::enter(wait_list& list, frame_base& frame) {
    const auto* other = list.first();
    if (other != nullptr && other->task_->loop != frame.task->loop) [[unlikely]] {
        throw invalid_state_error(
            std::string("a ") + to_string(list.kind_) + " was waited for at " + to_string(frame.site)
            + " by a task of another loop than those that wait already; such objects belong to the "
              "tasks of one loop");
    }
    task_ = frame.task;
    if (list.id_ == 0) { list.id_ = task_->loop->next_object_id++; }
    list.add(*this);
    task_->begin_wait(*this, list.kind_, list.id_);
}

task_core* list_waiter::cancel_wait() noexcept {
    list_->remove(*this);
    task_->wake_cancelled();
    return nullptr;
}

wait_list::~wait_list() {
    while (first_ != nullptr) {
        auto& task = *first_->task_;
        if (task.loop->self == nullptr || task.loop->self->is_closed()) {
            remove(*first_);  // its frame goes as well
            continue;
        }
        task.interrupt(std::make_exception_ptr(invalid_state_error(
            std::string("a ") + to_string(kind_) + " was destroyed while task "
            + display_name(task.id(), task.given_name()) + " waits for it at "
            + to_string(task.top->site) + "; keep it until they are done, or cancel them first")));
    }
}

list_waiter* wait_list::wake_first() noexcept {
    auto* waiter = first_;
    if (waiter != nullptr) { wake(*waiter); }
    return waiter;
}

void wait_list::wake(list_waiter& waiter) noexcept {
    remove(waiter);
    waiter.chosen_ = true;
    auto& core = *waiter.task_->loop;
    if (core.wants(hook::edge)) [[unlikely]] {
        core.notify_edge(edge_, core.current != nullptr ? core.current->id() : 0,
                         waiter.task_->id());
    }
    waiter.task_->wake();
}

void wait_list::move_to(wait_list& other, list_waiter& waiter) noexcept {
    remove(waiter);
    if (other.id_ == 0) { other.id_ = waiter.task_->loop->next_object_id++; }
    other.add(waiter);
    other.tell_wait(waiter);
}

void wait_list::tell_wait(const list_waiter& waiter) const noexcept {
    auto& record = waiter.task_->record();
    record.waits_for.store(kind_, std::memory_order_release);
    record.wait_object.store(id_, std::memory_order_release);
}

void wait_list::add(list_waiter& waiter) noexcept {
    waiter.list_ = this;
    waiter.previous_ = last_;
    waiter.next_ = nullptr;
    (last_ != nullptr ? last_->next_ : first_) = &waiter;
    last_ = &waiter;
    ++size_;
}

void wait_list::remove(list_waiter& waiter) noexcept {
    (waiter.previous_ != nullptr ? waiter.previous_->next_ : first_) = waiter.next_;
    (waiter.next_ != nullptr ? waiter.next_->previous_ : last_) = waiter.previous_;
    waiter.list_ = nullptr;
    --size_;
}

}  // namespace coroscope::detail
