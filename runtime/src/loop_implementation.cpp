// SPDX-License-Identifier: Apache-2.0
#include "loop_implementation.hpp"

#include "cached_blocks.hpp"

#include <coroscope/runtime/detail/access_sink.hpp>
#include <coroscope/runtime/detail/pause_sink.hpp>
#include <coroscope/runtime/error.hpp>

#include <algorithm>
#include <utility>

namespace coroscope {

using detail::tick_clock;

void loop::implementation::expect_runnable() const {
    if (detail::running_loop != nullptr) {
        throw invalid_state_error(
            "a loop cannot run inside another one: this thread already runs loop "
            + std::to_string(detail::running_loop->id)
            + "; await the coroutine, or use another thread");
    }
    if (core.is_copy) {
        throw invalid_state_error("loop " + std::to_string(core.id)
                                  + " belongs to the process that this one was forked from; "
                                    "make a loop of its own here");
    }
    const auto now = state.load();
    if (now != loop_state::idle) {
        throw invalid_state_error(now == loop_state::closed
                                      ? "the loop is closed and cannot run again"
                                      : "the loop is running already, in another thread");
    }
}

namespace {

/// What lies between a task's steps is divided by its wake-up: before, it waited for what it asked
/// for; from then on, for its turn. A yield is all of the latter.
[[gnu::always_inline]] inline void account_pause(task_record& record, std::uint64_t now) noexcept {
    constexpr auto relaxed = std::memory_order_relaxed;
    constexpr auto release = std::memory_order_release;
    const auto suspended = record.changed_at.load(relaxed);
    const auto ready = std::max(suspended, record.woken_at.load(relaxed));
    record.waiting_ticks.store(record.waiting_ticks.load(relaxed) + (ready - suspended), release);
    record.scheduled_ticks.store(record.scheduled_ticks.load(relaxed) + (now - ready), release);
}

}  // namespace

// The hot path of everything. Inlined by force, with locals and template arguments for what the
// compiler cannot know to be unchanged by the call in its middle (the rows yield_* show its cost).
template <bool Timed, bool Observed>
[[gnu::always_inline]] inline void loop::implementation::run_task(detail::loop_core& c,
                                                                  detail::task_core& task) {
    constexpr auto relaxed = std::memory_order_relaxed;
    constexpr auto release = std::memory_order_release;
    auto& record = task.record();
    const auto sequence = record.sequence.load(relaxed);
    if (task.must_cancel && record.steps_at(sequence) == 0) [[unlikely]] {
        end_unstarted(task);
        return;
    }
    record.sequence.store(sequence + 1, release);
    c.current = &task;  // what follows is told of as its own
    if constexpr (Timed && Observed) { detail::note_pause(c.pauses, task, last_stamp_); }
    if constexpr (Timed) { account_pause(record, last_stamp_); }

    auto* frame = task.top;
    auto* top = frame;
    {
        const detail::task_fibers::step as_the_task(fibers, task);
        for (;;) {  // until a frame suspends without handing over to its child or its parent
            frame->coroutine().resume();
            top = task.top;
            if (top == frame || top == nullptr) { break; }
            frame = top;
        }
    }

    const auto from = record.site.load(relaxed);  // written below and nowhere else
    await_site to{};
    if (top != nullptr) [[likely]] {
        to = top->site;
        record.site.store(to, release);
    }
    if constexpr (Timed) {
        const std::uint64_t begin = last_stamp_;
        const auto end = tick_clock::now();
        const auto ticks = end - begin;
        last_stamp_ = end;
        record.busy_ticks.store(record.busy_ticks.load(relaxed) + ticks, release);
        record.changed_at.store(end, release);
        record.sequence.store((record.sequence.load(relaxed) | 1U) + 1, release);
        if constexpr (Observed) {
            detail::note_step(c.pauses, &task, top != nullptr ? top : frame, ticks);
        }
        if (Observed && c.wants(hook::steps)) {
            observers.add(
                {record.id.load(relaxed), begin, end, from, to, &record, step_kind::task});
        }
        if (ticks >= slow_ticks_) [[unlikely]] { notice_slow_task(task, begin, from, to); }
    } else {
        record.sequence.store((record.sequence.load(relaxed) | 1U) + 1, release);
    }
    if (top == nullptr) [[unlikely]] { finish_task(task, *frame); }
}

namespace {

[[gnu::always_inline]] inline void prefetch(std::uintptr_t address) noexcept {
    __builtin_prefetch(
        reinterpret_cast<const void*>(address));  // NOLINT(performance-no-int-to-ptr)
}

/// Fetches what the step after the next begins with while this one runs: with a thousand tasks none
/// of it is in the first-level cache. To look into the next task for its frame would wait for what
/// an earlier call has fetched, and costs more than it saves (the row yield_1000).
[[gnu::always_inline]] inline void prefetch_ahead(const detail::ready_queue& ready) noexcept {
    // Only its address counts: there it may be an old entry, a handle, or none.
    const auto after_next = ready.at(1).address();
    prefetch(after_next);
    prefetch(after_next - detail::task_record_bytes);
}

}  // namespace

template <bool Timed, bool Observed>
[[gnu::always_inline]] inline void loop::implementation::run_ready(std::size_t count) {
    auto& c = core;
    auto left = count;
    for (;;) {
        // Where steps are not timed, their number says when to look at the time.
        auto until_look = Timed ? left : std::min(left, steps_between_looks);
        left -= until_look;
        for (; until_look > 0; --until_look) {
            if constexpr (Observed) { detail::begin_stretch(); }
            const auto entry = c.ready.pop();
            if (entry.is_task()) [[likely]] {
                prefetch_ahead(c.ready);
                run_task<Timed, Observed>(c, *entry.task());
            } else {
                // A million timers come due in another order than they lie in memory.
                if (until_look > 2) { __builtin_prefetch(c.ready.at(2).handle()); }
                run_handle(*entry.handle());
            }
            if constexpr (Observed) { detail::end_stretch(); }
            if constexpr (Timed) {
                if (last_stamp_ >= poll_in_pass_at_) [[unlikely]] { look_around(); }
            }
        }
        if (left == 0) { break; }
        if (tick_clock::now() >= poll_in_pass_at_) { look_around(); }
    }
    unpublished_steps_ += count;
}

void loop::implementation::run_one_task(detail::task_core& task) {
    timed_ ? run_task<true, true>(core, task) : run_task<false, false>(core, task);
}

/// Waits if nothing is ready, looks around if that is due.
template <bool Timed>
[[gnu::always_inline]] inline void loop::implementation::take_in_work() {
    if (core.ready.empty()) {
        wait_for_work();
    } else if constexpr (Timed) {
        if (last_stamp_ >= poll_at_) [[unlikely]] { look_around(); }
    } else {
        if (unpublished_steps_ - steps_at_look_ >= steps_between_looks) [[unlikely]] {
            look_around_if_due();
        }
    }
}

/// Passes over the ready queue, until the loop stops or what is wanted of them changes: to ask that
/// before each of them costs as much as the passes' own bookkeeping (the row yield_2).
template <bool Timed, bool Observed>
void loop::implementation::run_passes() {
    do {
        take_in_work<Timed>();
        run_ready<Timed, Observed>(core.ready.size());
    } while (!leaves_passes_);
    core.current = nullptr;
}

/// One pass that somebody looks at, or has a say in.
void loop::implementation::run_watched_pass() {
    if (core.policy != nullptr) {
        // Nothing comes in because of how much real time has passed: that would be no order.
        if (core.ready.size() == held_) { wait_for_work(); }
        held_ = 0;
    } else {
        timed_ ? take_in_work<true>() : take_in_work<false>();
    }
    const auto ready = core.ready.size();
    if (core.wants(hook::tick)) {
        observers.tell(hook::tick, [&](observer& o) { o.on_tick(ready, core.timers.size()); });
    }
    if (core.policy != nullptr) {
        run_ready_by_policy(ready);
    } else if (!timed_) {
        run_ready<false, true>(ready);
    } else {
        run_ready<true, true>(ready);
    }
    core.current = nullptr;
}

void loop::implementation::run_until_stopped() {
    for (;;) {
        leaves_passes_ = stopping_;
        const bool is_listened_to = detail::single_accesses_are_told();
        if (is_listened_to) { detail::give_back_cached_blocks(); }
        if (core.policy != nullptr || core.wants(hook::tick)) {
            run_watched_pass();
        } else if (!timed_) {
            is_listened_to ? run_passes<false, true>() : run_passes<false, false>();
        } else if (core.wants(hook::steps) || core.pauses != nullptr || is_listened_to) {
            run_passes<true, true>();
        } else {
            run_passes<true, false>();
        }
        if (stopping_) { return; }
    }
}

void loop::implementation::run() {
    expect_runnable();
    auto idle = loop_state::idle;
    if (!state.compare_exchange_strong(idle, loop_state::running)) {
        throw invalid_state_error("the loop is running already, in another thread");
    }
    struct running_scope {
        implementation& loop;
        const detail::access_stretch outer = detail::this_stretch;  // a followed thread's
        explicit running_scope(implementation& l) : loop(l) {
            detail::running_loop = &loop.core;
            detail::frames_are_watched =
                loop.core.wants(hook::frame) || detail::access_listener != nullptr;
            loop.last_stamp_ = tick_clock::now();  // before others may see that it runs
            loop.core.runs_on.store(std::this_thread::get_id());
        }
        ~running_scope() {
            loop.account_steps();
            loop.observers.flush();
            loop.stopping_ = false;
            loop.finishing_ = false;
            loop.core.current = nullptr;
            loop.core.runs_on.store({});
            detail::running_loop = nullptr;
            detail::frames_are_watched = false;
            detail::this_stretch = outer;
            detail::renew_stretch();
            if (detail::block_listener != nullptr) { detail::give_back_cached_blocks(); }
            loop.state.store(loop_state::idle);
        }
        running_scope(const running_scope&) = delete;
        running_scope& operator=(const running_scope&) = delete;
    };
    const running_scope scope(*this);
    // Now, since a loop with static storage may be older than the scale of ticks.
    set_slow_threshold(slow_threshold);
    poll_interval_ticks_ = tick_clock::to_ticks(time_between_polls);
    last_stamp_ = tick_clock::now();
    accounted_until_ = last_stamp_;
    plan_polls(last_stamp_);
    // What the task that ended makes ready in its last step still runs.
    do {
        run_until_stopped();
    } while (std::exchange(finishing_, false) && !core.ready.empty());
    if (core.is_copy) {
        throw broken_loop_error("this process was forked inside of loop " + std::to_string(core.id)
                                + ", which runs in the other one; end with _exit or exec there, "
                                  "before the callback or task returns to the loop");
    }
}

void loop::implementation::end_unstarted(detail::task_core& task) noexcept {
    core.current = nullptr;
    task.destroy_frames();
    task.keep_exception(task.take_cancellation());
    end_task(task, detail::completion_status::cancelled);
}

void loop::implementation::note_step(const step_record& step) noexcept {
    if (core.pauses != nullptr && step.kind != step_kind::io_poll) {
        const auto* task = core.current.get();
        detail::note_step(core.pauses, task, task != nullptr ? task->top : nullptr,
                          step.end - step.begin);
    }
    if (core.wants(hook::steps)) { observers.add(step); }
    if (step.end - step.begin >= slow_ticks_) [[unlikely]] { notice_slow_step(step); }
}

namespace {

/// Whether this is `cancelled_error` itself; told without throwing it once more, which takes
/// microseconds for each task of a long chain that is cancelled.
[[nodiscard]] bool is_plain_cancellation(const std::exception_ptr& thrown) noexcept {
#if defined(__GLIBCXX__)
    return thrown != nullptr && *thrown.__cxa_exception_type() == typeid(cancelled_error);
#else
    static_cast<void>(thrown);
    return false;
#endif
}

[[nodiscard]] detail::completion_status status_after(const std::exception_ptr& thrown) noexcept {
    if (thrown == nullptr) { return detail::completion_status::value; }
    return is_plain_cancellation(thrown) || detail::is_cancellation(thrown)
               ? detail::completion_status::cancelled
               : detail::completion_status::exception;
}

}  // namespace

void loop::implementation::finish_task(detail::task_core& task, detail::frame_base& root) noexcept {
    core.current = nullptr;  // destructors may ask
    root.coroutine().destroy();
    end_task(task, status_after(task.exception()));
}

void loop::implementation::end_task(detail::task_core& task,
                                    detail::completion_status status) noexcept {
    (task.previous != nullptr ? task.previous->next : core.first_task) = task.next;
    (task.next != nullptr ? task.next->previous : core.last_task) = task.previous;
    detail::add_to(core.task_count, std::size_t(-1));
    task.record().state.store(task_state::done, std::memory_order_release);
    fibers.remove(task);
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
    task.complete(status, &self);
    task.release();
}

void loop::implementation::run_handle(detail::handle_state& handle) {
    if (handle.cancelled) {
        handle.loop = nullptr;
        handle.release();
        return;
    }
    core.current = nullptr;
    core.callback = &handle;
    if (core.wants(hook::callback_begins)) [[unlikely]] {
        observers.tell(hook::callback_begins,
                       [&](observer& o) { o.on_callback_begins(handle.id, handle.created_at); });
    }
    core.callback_created_at = handle.created_at;
    call(handle);
    core.callback = nullptr;
    detail::add_to(counters_.callbacks, std::uint64_t{1});
    if (timed_) {
        const std::uint64_t begin = last_stamp_;
        last_stamp_ = tick_clock::now();
        note_step(
            {handle.id, begin, last_stamp_, handle.created_at, {}, nullptr, step_kind::callback});
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

}  // namespace coroscope
