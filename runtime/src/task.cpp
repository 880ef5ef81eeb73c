// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/task.hpp>

#include <coroscope/runtime/loop.hpp>

#include "remarks.hpp"
#include "task_fibers.hpp"

#include <algorithm>
#include <ostream>

namespace coroscope {
namespace detail {

void throw_empty_coro(await_site where) {
    throw invalid_state_error(
        "a coro was used that has been awaited, started or moved from already (" + to_string(where)
        + "); call the coroutine function again for another");
}

task_info task_core::info() const noexcept {
    const auto& r = record();
    return {r.id.load(std::memory_order_relaxed), r.parent_id.load(std::memory_order_relaxed),
            given_name(), r.origin.load(std::memory_order_relaxed).call()};
}

std::string_view task_core::given_name() const noexcept {
    return extras_ != nullptr ? std::string_view(extras_->name) : std::string_view();
}

task_extras& task_core::extras() {
    if (extras_ == nullptr) { extras_ = std::make_unique<task_extras>(); }
    return *extras_;
}

void task_core::set_name(std::string_view name) {
    std::string whole(name);
    auto& kept = extras().name;
    auto& r = record();
    const auto sequence = r.sequence.load(std::memory_order_relaxed);
    r.sequence.store((sequence | 1U) + task_record::renaming, std::memory_order_release);
    kept = std::move(whole);  // readers of long names look there
    auto& letters = r.name;
    const auto length = std::min(name.size(), letters.size());
    for (std::size_t i = 0; i < length; ++i) {
        letters[i].store(name[i], std::memory_order_release);
    }
    if (length < letters.size()) { letters[length].store('\0', std::memory_order_release); }
    r.sequence.store(sequence + task_record::renamed, std::memory_order_release);
    pause_label = 0;
    if constexpr (task_fibers::are_shown) { loop->show_name_of(*this); }
}

bool task_core::cancel(std::string_view message) {
    if (done()) { return false; }
    note_change(&must_cancel);
    if (loop->debug) { check_thread(*loop, "task::cancel"); }
    note_request(message);
    cancel_chain();
    return true;
}

void task_core::note_request(std::string_view message) {
    ++cancel_requests;
    if (cancel_message() != message) { extras().cancel_message = message; }
}

void task_core::interrupt(std::exception_ptr why) {
    if (done()) { return; }
    note_change(&must_cancel);
    extras().interruption = std::move(why);
    if (waiting_on != nullptr) {
        waiting_on->give_up_wait();
    } else {
        must_cancel = true;
    }
}

// A task that awaits a task passes the request on: a loop, since such chains may be a million long.
// Tasks may await each other in a circle. The way back to this task is noticed at once, so that its
// request counts once, and a timeout within the circle is known as one; elsewhere, Brent's
// algorithm notices (Brent, BIT 20, 1980).
void task_core::cancel_chain() noexcept {
    auto* task = this;
    auto* landmark = this;
    std::size_t steps = 0;
    std::size_t next_landmark = 1;
    while (task->waiting_on != nullptr) {
        auto* next_task = task->waiting_on->cancel_wait();
        if (next_task == nullptr) { return; }
        if (next_task == this || next_task == landmark) {
            task->waiting_on->give_up_wait();
            return;
        }
        note_change(&next_task->must_cancel);
        if (next_task->is_over()) {  // just now: its end is about to wake this task
            task->must_cancel = true;
            return;
        }
        next_task->note_request(cancel_message());
        task = next_task;
        if (++steps == next_landmark) {
            landmark = task;
            next_landmark *= 2;
        }
    }
    task->must_cancel = true;
}

void task_core::throw_cancelled() {
    const auto why = take_cancellation();
    if (why != nullptr) { std::rethrow_exception(why); }
    throw cancelled_error();
}

std::exception_ptr task_core::take_cancellation() noexcept {
    must_cancel = false;
    if (extras_ == nullptr) { return nullptr; }
    if (extras_->interruption != nullptr) { return std::exchange(extras_->interruption, nullptr); }
    return cancellation_of(extras_->cancel_message);
}

std::exception_ptr cancellation_of(std::string_view message) noexcept {
    return message.empty() ? nullptr
                           : std::make_exception_ptr(cancelled_error(std::string(message)));
}

void task_core::destroy_frames() noexcept {
    const abandoning_frames abandoned;
    waiting_on = nullptr;
    // No step, but whoever walks the frames must notice.
    auto& sequence = record().sequence;
    const auto before = sequence.load(std::memory_order_relaxed);
    sequence.exchange(before | 1U);
    while (top != nullptr) {
        auto* frame = top;
        top = frame->parent;
        frame->coroutine().destroy();
    }
    sequence.store(before + task_record::renamed, std::memory_order_release);
}

void task_core::report_lost_exception() noexcept {
    exception_context lost;
    lost.message =
        "a task's exception was never retrieved: nobody awaited it or asked for "
        "its result";
    lost.exception = exception();
    lost.task_id = id();
    lost.task_name = display_name(id(), given_name());
    lost.created_at = record().origin.load(std::memory_order_relaxed).call();
    mark_retrieved();
    if (loop->self != nullptr) {
        remark made;
        made.task_id = lost.task_id;
        made.task_name = lost.task_name;
        made.created_at = lost.created_at;
        remark_lost_exception(*loop, made, lost.exception);
        loop->self->call_exception_handler(lost);
    } else {
        report_orphan(lost);
    }
}

void join_awaiter::throw_impossible(const frame_base& frame) const {
    if (&target() == frame.task) {
        throw invalid_state_error("task " + display_name(target().id(), target().given_name())
                                  + " awaits itself at " + to_string(frame.site)
                                  + "; it would never be done");
    }
    throw invalid_state_error("a task of another loop was awaited at " + to_string(frame.site)
                              + "; tasks belong to one loop");
}

void join_awaiter::notify_edge() noexcept {
    waiting()->loop->notify_edge(edge_kind::join, target().id(), waiting()->id());
}

}  // namespace detail

std::uint32_t task_handle::uncancel() {
    auto& requests = core().cancel_requests;
    detail::note_change(&core().must_cancel);
    if (requests > 0) { --requests; }
    if (requests == 0) { core().must_cancel = false; }
    return requests;
}

std::exception_ptr task_handle::exception() const {
    auto& c = core();
    if (!c.done() || cancelled()) { c.throw_unless_value("task"); }
    c.mark_retrieved();
    return c.exception();
}

std::string task_handle::name() const {
    return display_name(id(), core().given_name());
}

std::vector<await_site> task_handle::origin() const {
    return core().record().origin.load(std::memory_order_relaxed).sites();
}

std::vector<await_site> task_handle::stack() const {
    std::vector<await_site> sites;
    for (const auto* frame = core().top; frame != nullptr; frame = frame->parent) {
        if (frame->site.line() != 0) { sites.push_back(frame->site); }
    }
    return sites;
}

void task_handle::print_stack(std::ostream& out) const {
    out << "task " << id() << " (" << name() << "), " << to_string(core().record().state.load())
        << ", created at ";
    const char* separator = "";
    for (const auto& site : origin()) {
        out << std::exchange(separator, ", from ") << to_string(site);
    }
    out << '\n';
    for (const auto& site : stack()) {
        out << "  " << to_string(site) << " in " << function_name(site) << '\n';
    }
}

void task_handle::throw_empty() {
    throw invalid_state_error(
        "an empty task handle was used; it holds no task until one is "
        "assigned to it, and none after it was moved from");
}

any_task current_task() {
    const auto* core = detail::running_loop;
    return core != nullptr && core->current != nullptr ? any_task(*core->current) : any_task();
}

std::vector<any_task> all_tasks(const loop& of) {
    std::vector<any_task> tasks;
    tasks.reserve(of.core().task_count);
    for (auto* task = of.core().first_task; task != nullptr; task = task->next) {
        tasks.push_back(any_task(*task));
    }
    return tasks;
}

}  // namespace coroscope
