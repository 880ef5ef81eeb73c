// SPDX-License-Identifier: Apache-2.0
#include "loop_implementation.hpp"

#include <coroscope/runtime/error.hpp>

#include <utility>

namespace coroscope {

using detail::tick_clock;

void loop::implementation::run() {
    if (detail::running_loop != nullptr) {
        throw std::logic_error(
            "a loop cannot run inside another one: this thread already runs loop "
            + std::to_string(detail::running_loop->id)
            + "; await the coroutine, or use another thread");
    }
    auto idle = loop_state::idle;
    if (!state.compare_exchange_strong(idle, loop_state::running)) {
        throw invalid_state_error(idle == loop_state::closed
                                      ? "the loop is closed and cannot run again"
                                      : "the loop is running already, in another thread");
    }
    struct running_scope {
        implementation& loop;
        explicit running_scope(implementation& l) : loop(l) {
            detail::running_loop = &loop.core;
            detail::frames_are_watched = loop.core.wants(hook::frame);
            loop.core.runs_on.store(std::this_thread::get_id());
        }
        ~running_scope() {
            loop.observers.flush();
            loop.stopping_ = false;
            loop.core.runs_on.store({});
            detail::running_loop = nullptr;
            detail::frames_are_watched = false;
            loop.state.store(loop_state::idle);
        }
        running_scope(const running_scope&) = delete;
        running_scope& operator=(const running_scope&) = delete;
    };
    const running_scope scope(*this);
    last_stamp_ = tick_clock::now();
    do {
        tick();
    } while (!stopping_);
}

void loop::implementation::tick() {
    if (core.mail->has_mail()) { take_mail(); }
    if (core.ready.empty() || poll_is_due()) { poll_io(); }
    if (core.ready.empty() && !stopping_) { idle(); }
    const auto ready = core.ready.size();
    publish_counts();
    if (core.wants(hook::tick)) [[unlikely]] {
        observers.tell(hook::tick, [&](observer& o) { o.on_tick(ready, core.timers.size()); });
    }
    run_ready(ready);
}

void loop::implementation::run_ready(std::size_t count) {
    if (policy != nullptr) [[unlikely]] {
        for (; count > 0; --count) {
            run_one(take_next(count));
        }
        return;
    }
    for (; count > 0; --count) {
        run_one(core.ready.pop());
        if (poll_is_due()) [[unlikely]] { poll_io(); }
    }
}

void loop::implementation::run_one(detail::ready_entry entry) {
    if (entry.is_task()) [[likely]] {
        run_task(*entry.task());
    } else {
        run_handle(*entry.handle());
    }
}

detail::ready_entry loop::implementation::take_next(std::size_t among) {
    choices_.clear();
    for (std::size_t i = 0; i < among; ++i) {
        const auto entry = core.ready.at(i);
        choices_.push_back(
            {entry.is_task() ? entry.task()->id() : entry.handle()->id, entry.is_task()});
    }
    const auto index = policy->pick(choices_);
    if (index >= among) {
        throw std::out_of_range("a schedule policy picked entry " + std::to_string(index) + " of "
                                + std::to_string(among));
    }
    return core.ready.take(index);
}

void loop::implementation::run_task(detail::task_core& task) {
    auto& record = task.record();
    const auto steps = record.steps.load(std::memory_order_relaxed);
    if (task.must_cancel && steps == 0) [[unlikely]] {
        // Never began: ends without running.
        task.destroy_frames();
        end_task(task, detail::completion_status::cancelled, nullptr);
        return;
    }
    const auto sequence = record.sequence.load(std::memory_order_relaxed);
    record.sequence.store(sequence + 1, std::memory_order_release);
    const auto from = record.site.load(std::memory_order_relaxed);
    const auto begin = last_stamp_;

    core.current = &task;
    detail::frame_base* frame = nullptr;
    auto* top = task.top;
    do {  // until a frame suspends without handing over to its child or its parent
        frame = top;
        frame->self.resume();
        top = task.top;
    } while (top != frame && top != nullptr);
    core.current = nullptr;

    const auto to = top != nullptr ? top->site : await_site{};
    if (top != nullptr) { record.site.store(to, std::memory_order_release); }
    record.steps.store(steps + 1, std::memory_order_release);
    if (timed_) [[likely]] {
        const auto end = tick_clock::now();
        const auto ticks = tick_clock::between(begin, end);
        last_stamp_ = end;
        record.busy_ticks.store(record.busy_ticks.load(std::memory_order_relaxed) + ticks,
                                std::memory_order_release);
        record.changed_at.store(end, std::memory_order_release);
    }
    record.sequence.store(sequence + 2, std::memory_order_release);
    if (timed_) [[likely]] {
        finish_step(step_kind::task, record.id.load(std::memory_order_relaxed), from, to, &record,
                    begin);
    }
    if (top == nullptr) { finish_task(task, *frame); }
}

inline void loop::implementation::finish_step(step_kind kind, std::uint64_t id, await_site from,
                                              await_site to, const task_record* record,
                                              std::uint64_t begin) noexcept {
    const auto ticks = tick_clock::between(begin, last_stamp_);
    detail::add_to(counters_.steps, std::uint64_t{1});
    detail::add_to(counters_.busy_ticks, ticks);
    if (core.wants(hook::steps)) {
        auto& r = observers.next_record();
        r.id = id;
        r.begin = begin;
        r.end = last_stamp_;
        r.from = from;
        r.to = to;
        r.record = record;
        r.kind = kind;
        if (ticks >= slow_ticks_) [[unlikely]] { observers.flush(); }
    }
}

void loop::implementation::finish_task(detail::task_core& task, detail::frame_base& root) noexcept {
    auto status = detail::completion_status::value;
    std::exception_ptr exception;
    try {
        task.operations().take_result(task, root);
    } catch (const cancelled_error&) {
        status = detail::completion_status::cancelled;
        exception = std::current_exception();
    } catch (...) {
        status = detail::completion_status::exception;
        exception = std::current_exception();
    }
    root.self.destroy();
    end_task(task, status, std::move(exception));
}

void loop::implementation::end_task(detail::task_core& task, detail::completion_status status,
                                    std::exception_ptr exception) noexcept {
    (task.previous != nullptr ? task.previous->next : core.first_task) = task.next;
    (task.next != nullptr ? task.next->previous : core.last_task) = task.previous;
    --core.task_count;
    task.record().state.store(task_state::done, std::memory_order_release);
    if (core.wants(hook::task_finished)) {
        observers.flush();
        const auto outcome = status == detail::completion_status::value ? task_outcome::result
                             : status == detail::completion_status::cancelled
                                 ? task_outcome::cancelled
                                 : task_outcome::exception;
        const auto info = task.info();
        observers.tell(hook::task_finished,
                       [&](observer& o) { o.on_task_finished(info, outcome); });
    }
    task.complete(status, std::move(exception), &self);
    task.release();
}

void loop::implementation::run_handle(detail::handle_state& handle) {
    if (handle.cancelled) {
        handle.loop = nullptr;
        handle.release();
        return;
    }
    const auto begin = last_stamp_;
    if (core.wants(hook::callback_begins)) [[unlikely]] {
        observers.tell(hook::callback_begins,
                       [&](observer& o) { o.on_callback_begins(handle.id, handle.created_at); });
    }
    call(handle);
    detail::add_to(counters_.callbacks, std::uint64_t{1});
    if (timed_) {
        last_stamp_ = tick_clock::now();
        finish_step(step_kind::callback, handle.id, handle.created_at, {}, nullptr, begin);
    }
    if (core.wants(hook::callback_ends)) [[unlikely]] {
        observers.tell(hook::callback_ends, [&](observer& o) { o.on_callback_ends(handle.id); });
    }
    handle.release();
}

void loop::implementation::call(detail::handle_state& handle) noexcept {
    auto function = std::move(handle.function);
    handle.loop = nullptr;
    try {
        function();
    } catch (...) {
        exception_context context;
        context.message = "an exception left a callback";
        context.exception = std::current_exception();
        context.handle_id = handle.id;
        context.created_at = handle.created_at;
        self.call_exception_handler(context);
    }
}

void loop::implementation::set_slow_threshold(duration threshold) noexcept {
    slow_threshold = threshold;
    slow_ticks_ = tick_clock::to_ticks(threshold);
}

bool loop::implementation::poll_is_due() noexcept {
    if (poll_budget_ == 0) { return true; }
    --poll_budget_;
    return timed_ && last_stamp_ - last_poll_ >= poll_interval_ticks_;
}

void loop::implementation::publish_counts() noexcept {
    counters_.ready.store(core.ready.size(), std::memory_order_relaxed);
    counters_.scheduled.store(core.timers.size(), std::memory_order_relaxed);
    counters_.tasks.store(core.task_count, std::memory_order_relaxed);
}

loop_statistics loop::implementation::statistics() const noexcept {
    constexpr auto order = std::memory_order_relaxed;
    loop_statistics s;
    s.steps = counters_.steps.load(order);
    s.callbacks = counters_.callbacks.load(order);
    s.polls = counters_.polls.load(order);
    s.busy = tick_clock::to_duration(counters_.busy_ticks.load(order));
    s.idle = tick_clock::to_duration(counters_.idle_ticks.load(order));
    s.ready = counters_.ready.load(order);
    s.scheduled = counters_.scheduled.load(order);
    s.tasks = counters_.tasks.load(order);
    return s;
}

}  // namespace coroscope
