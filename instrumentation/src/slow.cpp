// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/slow.hpp>

#include <coroscope/instrumentation/snapshots.hpp>
#include <coroscope/instrumentation/stall_watchdog.hpp>

#include "seconds_text.hpp"

#include <coroscope/report/source_position.hpp>
#include <coroscope/runtime/detail/tick_clock.hpp>
#include <coroscope/runtime/loop.hpp>

#include <algorithm>
#include <atomic>
#include <iostream>
#include <string>
#include <utility>

namespace coroscope::instrumentation {

using coroscope::detail::tick_clock;

namespace {

std::atomic<std::uint64_t> records_made{0};

std::string name_in(const task_record& record) {
    std::string name;
    for (const auto& c : record.name) {
        const char letter = c.load(std::memory_order_acquire);
        if (letter == '\0') { break; }
        name.push_back(letter);
    }
    return name;
}

void name_task(const step_record& step, report::slow_step& made) {
    made.task_id = step.id;
    std::string given;
    if (const auto* record = step.record; record != nullptr) {
        given = name_in(*record);
        made.created_at = position_of(record->origin.load(std::memory_order_acquire).call());
    }
    made.name = display_name(step.id, given);
}

void describe(const step_record& step, report::slow_step& made) {
    switch (step.kind) {
    case step_kind::task:
        made.kind = report::step_kind::task;
        made.from = position_of(step.from);
        made.to = position_of(step.to);
        name_task(step, made);
        break;
    case step_kind::callback:
        made.kind = report::step_kind::callback;
        made.created_at = position_of(step.from);
        break;
    case step_kind::io_poll:
        made.kind = report::step_kind::io_poll;
        made.name = "foreign Asio handlers";
        break;
    }
}

report::slow_step make_record(const loop& l, const step_record& step, duration wall,
                              duration threshold) {
    report::slow_step made;
    made.sequence = records_made.fetch_add(1, std::memory_order_relaxed) + 1;
    made.loop_id = l.id();
    made.wall = wall;
    made.threshold = threshold;
    made.loop_time = l.time().time_since_epoch();
    const auto since_end = step_clock::between(step.end, step_clock::now());
    made.when = std::chrono::system_clock::now()
                - std::chrono::duration_cast<std::chrono::system_clock::duration>(since_end);
    describe(step, made);
    return made;
}

std::string place(const report::source_position& position) {
    auto text = to_string(position);
    if (!position.function.empty()) { text += " in " + position.function; }
    return text;
}

std::string span_text(const report::slow_step& step) {
    if (step.kind == report::step_kind::callback) {
        return "ran: a callback, from its start to its end";
    }
    if (step.kind == report::step_kind::io_poll) {
        return "ran: handlers of other code in one poll of the loop's io_context";
    }
    return "ran from: " + (step.from.empty() ? "the coroutine's start" : place(step.from))
           + "\n  ran to: " + (step.to.empty() ? "the coroutine's end" : place(step.to));
}

}  // namespace

slow_spotter::slow_spotter(slow_spotter_options options)
    : options_(std::move(options)),
      log_(std::make_shared<slow_log>(options_.capacity)) {}

void slow_spotter::attach_to(loop& l) {
    if (options_.threshold && *options_.threshold < l.slow_callback_duration()) {
        l.set_slow_callback_duration(*options_.threshold);
    }
    l.add_observer(*this);
}

void slow_spotter::on_slow_threshold(duration threshold) noexcept {
    log_->note_threshold(std::max(threshold, options_.threshold.value_or(threshold)));
}

void slow_spotter::on_slow_step(const step_record& step) noexcept {
    const auto* running = coroscope::detail::running_loop;
    if (running == nullptr) { return; }
    auto& l = *running->self;
    const auto loops = l.slow_callback_duration();
    notice(l, step, std::max(loops, options_.threshold.value_or(loops)));
}

void slow_spotter::notice(loop& l, const step_record& step, duration threshold) noexcept {
    if (!took_at_least(step, threshold)) { return; }  // an absurd difference
    // Ticks are finer or coarser than nanoseconds: what reached the threshold must say so.
    const auto wall = std::max(step_clock::between(step.begin, step.end), threshold);
    try {
        const bool kept = log_->has_room_for(wall);
        const bool logged = options_.log.value_or(l.debug());
        const bool told = options_.handler && !handler_failed_.load(std::memory_order_relaxed);
        if (!kept && !logged && !told) { return; }
        auto made = make_record(l, step, wall, threshold);
        const bool more = options_.watchdog != nullptr && add_evidence(l, step, made);
        const auto sequence = made.sequence;
        if (logged) { std::cerr << log_text(made) << std::flush; }
        if (told) { tell(l, made); }
        if (kept) { log_->add(std::move(made)); }
        if (kept && more) { options_.watchdog->complete_later(l.id(), step, log_, sequence); }
    } catch (...) {
        log_->count_dropped();  // no memory
    }
}

/// What the watchdog has seen of the step. Returns whether more will follow.
bool slow_spotter::add_evidence(const loop& l, const step_record& step, report::slow_step& made) {
    auto seen = options_.watchdog->evidence_of(l.id(), step);
    if (!seen) { return false; }
    made.stack = std::move(seen->stack);
    made.stack_trouble = std::move(seen->stack_trouble);
    made.cpu = seen->cause.cpu;
    made.cause = std::move(seen->cause);
    return seen->more_will_follow;
}

void slow_spotter::tell(loop& l, const report::slow_step& step) noexcept {
    try {
        options_.handler(step);
    } catch (...) {
        exception_context context;
        context.message = "the handler of a slow_spotter threw; it is not called again";
        context.exception = std::current_exception();
        handler_failed_.store(true, std::memory_order_relaxed);
        l.call_exception_handler(context);
    }
}

bool took_at_least(const step_record& step, duration threshold) noexcept {
    return tick_clock::between(step.begin, step.end) >= tick_clock::to_ticks(threshold);
}

std::string log_text(const report::slow_step& step) {
    auto text = summary(step) + "\n  " + span_text(step);
    if (!step.created_at.empty()) { text += "\n  created at: " + place(step.created_at); }
    text += "\n  threshold: " + seconds(step.threshold) + " seconds, loop "
            + std::to_string(step.loop_id) + "\n";
    if (step.cause) { text += "  " + to_string(*step.cause) + "\n"; }
    if (!step.stack_trouble.empty()) { text += "  no stack: " + step.stack_trouble + "\n"; }
    if (step.stack) { text += "  stack, while it was stuck:\n" + stack_text(*step.stack); }
    return text;
}

}  // namespace coroscope::instrumentation
