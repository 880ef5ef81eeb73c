// SPDX-License-Identifier: Apache-2.0
#include "loop_implementation.hpp"

#include <coroscope/runtime/detail/pause_sink.hpp>
#include <coroscope/runtime/detail/task_core.hpp>

#include <utility>

// Who watches a loop, what it is set to, and what it counts.

namespace coroscope {

using detail::tick_clock;

void loop::implementation::remove(observer& o) noexcept {
    observers.remove(o);
    leaves_passes_ = true;
}

void loop::implementation::set_policy(schedule_policy* chosen) noexcept {
    core.policy = chosen;
    early_policy_ = dynamic_cast<early_wake_policy*>(chosen);
    early_choices_.clear();
    core.hooks &= ~detail::loop_core::has_policy;
    if (chosen != nullptr) { core.hooks |= detail::loop_core::has_policy; }
    core.turn = detail::loop_core::from_outside;
    held_ = 0;
    leaves_passes_ = true;
}

void loop::implementation::add(detail::pause_sink& sink) noexcept {
    for (auto* task = core.first_task; sink.labels_tasks && task != nullptr; task = task->next) {
        task->pause_label = 0;  // may be that of a sink that is gone
    }
    sink.next = core.pauses;
    core.pauses = &sink;
    leaves_passes_ = true;
}

void loop::implementation::remove(detail::pause_sink& sink) noexcept {
    for (auto** link = &core.pauses; *link != nullptr; link = &(*link)->next) {
        if (*link == &sink) {
            *link = sink.next;
            break;
        }
    }
    leaves_passes_ = true;
}

void loop::implementation::set_slow_threshold(duration threshold) noexcept {
    slow_threshold = threshold;
    slow_ticks_ = tick_clock::to_ticks(threshold);
    if (detail::running_loop == &core) { tell_slow_threshold(); }
}

void loop::implementation::tell_slow_threshold() noexcept {
    if (!timed_) { return; }
    observers.tell(hook::slow_threshold, [&](observer& o) { o.on_slow_threshold(slow_threshold); });
}

void loop::implementation::attach(observer& o, hook_set hooks) {
    observers.attach(o, hooks);
    leaves_passes_ = true;
    const bool wanted = (hooks & static_cast<hook_set>(hook::slow_threshold)) != 0;
    if (wanted && timed_ && detail::running_loop == &core) { o.on_slow_threshold(slow_threshold); }
}

void loop::implementation::notice_slow_task(const detail::task_core& task, std::uint64_t begin,
                                            await_site from, await_site to) noexcept {
    notice_slow_step({task.id(), begin, last_stamp_, from, to, &task.record(), step_kind::task});
}

/// A step of remarkable length: over the threshold, or so long that the counter must have jumped.
void loop::implementation::notice_slow_step(const step_record& step) noexcept {
    const bool is_absurd = tick_clock::between(step.begin, step.end) != step.end - step.begin;
    if (is_absurd) { return; }
    observers.flush();
    if (core.wants(hook::slow_step)) {
        observers.tell(hook::slow_step, [&](observer& o) { o.on_slow_step(step); });
    }
    last_stamp_ = tick_clock::now();  // what the observers took is not the next step's
}

bool loop::is_as_new() const noexcept {
    const auto& i = *implementation_;
    const auto& c = *core_;
    return c.first_task == nullptr && c.ready.empty() && c.timers.empty()
           && !i.io_is_used.load(std::memory_order_relaxed) && c.sleeps == nullptr
           && c.pauses == nullptr && c.io_operations == 0 && c.jobs == 0
           && c.first_generator == nullptr && !c.mail->has_mail() && i.factory == nullptr
           && i.default_executor == nullptr;
}

/// Steps follow each other without a gap: what lies between two looks around is all theirs.
void loop::implementation::account_steps() noexcept {
    detail::add_to(counters_.steps, std::exchange(unpublished_steps_, 0));
    steps_at_look_ = 0;
    detail::add_to(counters_.busy_ticks, tick_clock::between(accounted_until_, last_stamp_));
    accounted_until_ = last_stamp_;
    counters_.ready.store(core.ready.size(), std::memory_order_relaxed);
    counters_.scheduled.store(core.timers.size(), std::memory_order_relaxed);
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
    s.tasks = core.task_count.load(order);
    return s;
}

}  // namespace coroscope
