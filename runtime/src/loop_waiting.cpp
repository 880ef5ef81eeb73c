// SPDX-License-Identifier: Apache-2.0
#include "loop_implementation.hpp"

#include <algorithm>
#include <utility>

// What comes to a loop from outside, and how it waits for that: other threads, timers, Asio.

namespace coroscope {

using detail::tick_clock;

void loop::implementation::take_mail() {
    auto* mail = core.mail->take();
    while (mail != nullptr) {
        auto* const handle = std::exchange(mail, mail->next_mail);
        if (handle->is_internal) {
            handle->loop = nullptr;
            handle->function();
            handle->release();
            continue;
        }
        handle->id = core.next_object_id++;
        core.ready.push(detail::ready_entry(handle));
        if (core.is_told_of(hook::edge)) [[unlikely]] { core.notify_posted(*handle); }
    }
}

void loop::implementation::collect_timers() {
    if (!core.timers.empty()) { core.collect_due_timers(core.time->now()); }
}

void loop::implementation::take_mail_and_timers() {
    if (core.mail->has_mail()) { take_mail(); }
    collect_timers();
}

/// Takes in whatever has come from outside, without waiting.
void loop::implementation::look_around() {
    core.current = nullptr;  // no task's step: handlers of others run in here
    account_steps();
    take_mail_and_timers();
    run_asio(false);
}

/// The same where steps are not timed: their number says when to read the time, the time whether to
/// poll, since an empty poll costs as much as many steps.
void loop::implementation::look_around_if_due() {
    steps_at_look_ = unpublished_steps_;
    if (tick_clock::now() >= poll_at_) { look_around(); }
}

/// Nothing is ready, or a policy wants none of it: takes in what has come, then lets the clock
/// decide how time passes. Where that means to wait in Asio, a poll before would only double the
/// system calls.
void loop::implementation::wait_for_work() {
    core.current = nullptr;
    account_steps();
    take_mail_and_timers();
    if (core.ready.size() > held_) { return; }
    if (io_is_used.load(std::memory_order_relaxed) && (!real_time_ || stopping_)) {
        run_asio(false);
    }
    if (core.ready.size() > held_ || stopping_) { return; }
    if (early_policy_ != nullptr && wakes_in_place_of_time()) { return; }
    idle();
}

/// Runs handlers that are due, not too many of them: the tasks that they make ready go on while the
/// sockets that these have read from are in the processor's caches. With a thousand connections a
/// round trip takes 3 % less than with all receptions first (the row tcp_echo_1000).
std::size_t loop::implementation::poll_asio() {
    // Time must not jump over handlers that are due, nor may the loop stop before them.
    if (!real_time_ || stopping_) { return io.poll(); }
    std::size_t handlers = 0;
    while (handlers < most_handlers_at_once && io.poll_one() > 0) {
        ++handlers;
    }
    return handlers;
}

/// Polls Asio; foreign handlers that run inside count as one step, an empty poll as nobody's.
std::size_t loop::implementation::run_asio(bool may_block) {
    const auto operations = core.io_operations;
    const std::uint64_t begin = last_stamp_;
    std::size_t handlers = 0;
    try {
        handlers = may_block ? io.run_one() : poll_asio();
    } catch (...) {
        exception_context context;
        context.message = "an exception left an Asio completion handler";
        context.exception = std::current_exception();
        self.call_exception_handler(context);
    }
    detail::add_to(counters_.polls, std::uint64_t{1});
    const auto now = tick_clock::now();
    plan_polls(now);
    if (handlers >= most_handlers_at_once) { poll_at_ = now; }  // there are more, as a rule
    if (!timed_) { return handlers; }
    last_stamp_ = now;
    const auto ours = operations - std::min(operations, core.io_operations);
    if (!may_block && handlers > ours) {
        const auto ticks = tick_clock::between(begin, last_stamp_);
        detail::add_to(counters_.busy_ticks, ticks);
        note_step({0, begin, last_stamp_, {}, {}, nullptr, step_kind::io_poll});
    }
    accounted_until_ = last_stamp_;
    return handlers;
}

void loop::implementation::plan_polls(std::uint64_t now) noexcept {
    poll_at_ = now + poll_interval_ticks_;
    poll_in_pass_at_ = now + in_pass_factor * poll_interval_ticks_;
}

void loop::implementation::idle() {
    idle_state now;
    if (!core.timers.empty()) { now.next_deadline = core.timers.next_deadline(); }
    now.io_operations = core.io_operations;
    now.jobs = core.jobs;
    // Nothing to do: the best time to tell. What observers do with it is not idling.
    if (observers.flush() && timed_) { last_stamp_ = tick_clock::now(); }
    const auto action = core.time->on_idle(now);
    switch (action.what) {
    case idle_action::kind::advanced: collect_timers(); break;
    case idle_action::kind::quit: request_stop(); break;
    case idle_action::kind::wait: block(action.limit); break;
    }
}

void loop::implementation::block(const std::optional<duration>& limit) {
    if (core.ready.size() > held_ || !core.mail->begin_sleep()) {
        return;  // the clock, or another thread, has made something ready meanwhile
    }
    const std::uint64_t began =
        last_stamp_;  // what led here since the last step took next to nothing
    if (limit.has_value()) { arm_idle_timer(*limit); }
    core.waits.store(true, std::memory_order_relaxed);
    const auto handlers = run_asio(true);
    core.waits.store(false, std::memory_order_release);
    core.mail->end_sleep();
    if (timed_) { detail::add_to(counters_.idle_ticks, tick_clock::between(began, last_stamp_)); }
    if (handlers > 0) { look_for_more(); }
    take_mail_and_timers();
}

/// A wait ends with the first handler. What else has come by then is taken along, since a batch of
/// receptions and then one of answers go better through the processor's caches than one by one.
/// Where nothing else has come the look costs a system call: it is left out ever more often then.
void loop::implementation::look_for_more() {
    if (looks_to_skip_ > 0) {
        --looks_to_skip_;
        return;
    }
    constexpr std::uint32_t most = 63;
    fruitless_looks_ = run_asio(false) > 0 ? 0 : std::min(2 * fruitless_looks_ + 1, most);
    looks_to_skip_ = fruitless_looks_;
}

void loop::implementation::arm_idle_timer(duration limit) {
    const auto now = std::chrono::time_point_cast<duration>(std::chrono::steady_clock::now());
    const auto deadline = saturating_add(now, limit);
    // A timer that is armed already and early enough stays: to arm it anew would make its aborted
    // handler ready, which ends this very wait, and so on. The slack covers the clocks' jitter.
    constexpr duration slack = std::chrono::microseconds(1);
    if (deadline == time_point::max() || idle_armed_until_ <= saturating_add(deadline, slack)) {
        return;
    }
    idle_armed_until_ = deadline;
    idle_timer_.expires_at(deadline);
    idle_timer_.async_wait([this](const boost::system::error_code& error) {
        if (!error) { idle_armed_until_ = time_point::max(); }
    });
}

}  // namespace coroscope
