// SPDX-License-Identifier: Apache-2.0
#include "flight_trace.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <unistd.h>

namespace coroscope::instrumentation {
namespace {

// Tracks are numbered as tasks are; these two are above what viewers would take for a task.
constexpr std::uint64_t callback_track = 4'000'000'000;
constexpr std::uint64_t poll_track = 4'000'000'001;

[[nodiscard]] std::string_view edge_name(edge_kind kind) noexcept {
    switch (kind) {
    case edge_kind::spawn: return "spawn";
    case edge_kind::join: return "join";
    case edge_kind::future: return "future";
    case edge_kind::timer: return "timer";
    case edge_kind::post: return "post";
    case edge_kind::io: return "io";
    case edge_kind::mutex: return "mutex";
    case edge_kind::event: return "event";
    case edge_kind::condition: return "condition";
    case edge_kind::semaphore: return "semaphore";
    case edge_kind::barrier: return "barrier";
    case edge_kind::queue: return "queue";
    }
    return "wake";
}

[[nodiscard]] std::string_view outcome_name(std::uint64_t outcome) noexcept {
    switch (static_cast<task_outcome>(outcome)) {
    case task_outcome::result: return "result";
    case task_outcome::exception: return "exception";
    case task_outcome::cancelled: return "cancelled";
    }
    return "?";
}

[[nodiscard]] std::chrono::nanoseconds time_of(std::uint64_t stamp) noexcept {
    return step_clock::at(stamp).time_since_epoch();
}

}  // namespace

flight_trace::flight_trace(const flight_ring& ring, const unsent_steps& unsent,
                           std::uint32_t loop_id, trace_sink& to) noexcept
    : ring_(ring),
      unsent_(unsent),
      loop_id_(loop_id),
      out_(to),
      process_(static_cast<std::uint64_t>(::getpid())) {}

void flight_trace::write() {
    out_.raw("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n");
    name_process();
    const auto last = ring_.end();
    for (auto number = ring_.begin(); number < last; ++number) {
        flight_event e;
        if (ring_.read(number, e)) {
            write_event(number, e);
        } else {
            ++torn_;
        }
    }
    write_unsent();
    write_names_of_ended();
    write_tasks_of_now();
    write_totals();
    out_.flush();
}

void flight_trace::name_process() {
    out_.raw("{\"ph\":\"M\",\"pid\":").number(process_);
    out_.raw(",\"name\":\"process_name\",\"args\":{\"name\":\"");
    out_.escaped(program_invocation_short_name).raw(", loop ").number(loop_id_).raw("\"}}");
    name_track(callback_track, "callbacks");
    name_track(poll_track, "I/O handlers of other code");
}

void flight_trace::open_track_name(std::uint64_t track) {
    out_.raw(",\n{\"ph\":\"M\",\"pid\":").number(process_).raw(",\"tid\":").number(track);
    out_.raw(",\"name\":\"thread_name\",\"args\":{\"name\":\"");
}

void flight_trace::name_track(std::uint64_t track, std::string_view name) {
    open_track_name(track);
    if (name.empty()) {
        out_.raw("task-").number(track);
    } else {
        out_.escaped(name);
    }
    out_.raw("\"}}");
}

/// Up to the beginning of the name.
void flight_trace::open(std::string_view phase, std::uint64_t track, std::uint64_t stamp,
                        std::string_view category) {
    out_.raw(",\n{\"ph\":\"").raw(phase).raw("\",\"pid\":").number(process_);
    out_.raw(",\"tid\":").number(track).raw(",\"ts\":").microseconds(time_of(stamp));
    out_.raw(",\"cat\":\"").raw(category).raw("\",\"name\":\"");
}

void flight_trace::mark(std::string_view name, std::uint64_t track, std::uint64_t stamp) {
    open("i", track, stamp, "task");
    out_.raw(name).raw("\",\"s\":\"t\"");
}

/// From the slice that encloses the moment on one track to the next slice on the other.
void flight_trace::arrow(std::uint64_t number, std::string_view name, std::uint64_t from,
                         std::uint64_t to, std::uint64_t stamp) {
    open("s", from, stamp, "wake");
    out_.raw(name).raw("\",\"id\":").number(number).raw("}");
    open("f", to, stamp, "wake");
    out_.raw(name).raw("\",\"id\":").number(number).raw("}");
}

void flight_trace::write_event(std::uint64_t number, const flight_event& e) {
    if (e.kind() != flight_kind::name) { latest_ = std::max(latest_, e.stamp); }
    switch (e.kind()) {
    case flight_kind::step: write_step(e); break;
    case flight_kind::spawn: write_creation(number, e); break;
    case flight_kind::end: write_end(e); break;
    case flight_kind::edge: write_edge(number, e); break;
    case flight_kind::woken:
        mark("woken", e.id(), e.stamp);
        out_.raw("}");
        break;
    case flight_kind::name:  // belongs to the event before
    case flight_kind::none: break;
    }
}

void flight_trace::write_step(const flight_event& e) {
    const auto step = unpack(e);
    const auto track = step.kind == step_kind::task       ? e.id()
                       : step.kind == step_kind::callback ? callback_track
                                                          : poll_track;
    open("X", track, e.stamp, "step");
    if (step.kind == step_kind::io_poll) {
        out_.raw("poll");
    } else if (step.from.line() == 0) {
        out_.raw("start");
    } else {
        out_.short_place(step.from);
    }
    const auto began = time_of(e.stamp);
    const auto ended = time_of(e.stamp + step.ticks);
    last_ended_ = e.stamp + step.ticks;
    latest_ = std::max(latest_, last_ended_);
    out_.raw("\",\"dur\":").microseconds(ended - began);
    if (step.kind == step_kind::task) {
        out_.raw(",\"args\":{\"from\":\"");
        step.from.line() == 0 ? out_.raw("start") : out_.place(step.from);
        out_.raw("\",\"to\":\"");
        step.to.line() == 0 ? out_.raw("end") : out_.place(step.to);
        out_.raw("\"}");
    } else if (step.kind == step_kind::callback) {
        out_.raw(",\"args\":{\"scheduled at\":\"").place(step.from).raw("\",\"handle\":");
        out_.number(e.id()).raw("}");
    }
    out_.raw("}");
}

void flight_trace::write_creation(std::uint64_t number, const flight_event& e) {
    mark("created", e.id(), e.stamp);
    out_.raw(",\"args\":{\"at\":\"").place(site_of(e.first)).raw("\",\"name\":\"");
    put_name(number, e);
    out_.raw("\"}}");
    if (e.second != 0) { arrow(number, "spawn", e.second, e.id(), e.stamp); }
}

void flight_trace::write_edge(std::uint64_t number, const flight_event& e) {
    const auto kind = static_cast<edge_kind>(e.detail());
    const auto name = edge_name(kind);
    const bool to_callback = kind == edge_kind::post;
    const auto to = to_callback ? callback_track : e.id();
    // Nobody of this loop did it: time has come, the kernel is done, another thread called.
    const bool by_nobody =
        kind == edge_kind::timer || kind == edge_kind::io || (to_callback && e.first == 0);
    if (by_nobody) {
        mark(name, to, e.stamp);
        out_.raw("}");
    } else {
        arrow(number, name, e.first == 0 ? callback_track : e.first, to, e.stamp);
    }
}

void flight_trace::write_end(const flight_event& e) {
    open("i", e.id(), e.stamp, "task");
    out_.raw("end: ").raw(outcome_name(e.first)).raw("\",\"s\":\"t\"}");
}

void flight_trace::put_name(std::uint64_t number, const flight_event& of) {
    if (of.detail() == 0) {
        out_.raw("task-").number(of.id());
        return;
    }
    out_.escaped(name_after(ring_, number, of).view());
}

/// Steps follow each other: one that began before another had ended is in the ring already.
void flight_trace::write_unsent() {
    for (const auto& step : unsent_.all()) {
        if (step.begin >= last_ended_) { write_step(pack(step)); }
    }
}

/// Last of the ring's events, from what it is by now: tasks may have ended since the steps were
/// read, and are in no table any more.
void flight_trace::write_names_of_ended() {
    const auto last = ring_.end();
    for (auto number = ring_.begin(); number < last; ++number) {
        flight_event e;
        if (ring_.read(number, e) && e.kind() == flight_kind::end) {
            open_track_name(e.id());
            put_name(number, e);
            out_.raw("\"}}");
        }
    }
}

void flight_trace::write_tasks_of_now() {
    const auto now = step_clock::now();
    for_each_live_task(loop_id_, [&](const live_task& task) { write_task_of_now(task, now); });
}

/// A running task's step began when what the loop did before had ended, or when the task was woken.
void flight_trace::write_task_of_now(const live_task& task, std::uint64_t now) {
    name_track(task.id, task.name());
    if (task.state != task_state::running) {
        mark(task.state == task_state::ready ? "ready" : "waits", task.id, now);
        out_.raw(",\"args\":{\"for\":\"").raw(to_string(task.waits_for)).raw("\",\"at\":\"");
        out_.place(task.site).raw("\"}}");
        return;
    }
    const auto began = latest_ != 0 && latest_ < now ? latest_ : now;
    open("X", task.id, began, "step");
    task.site.line() == 0 ? out_.raw("start") : out_.short_place(task.site);
    out_.raw("\",\"dur\":").microseconds(time_of(now) - time_of(began));
    out_.raw(",\"args\":{\"from\":\"");
    task.site.line() == 0 ? out_.raw("start") : out_.place(task.site);
    out_.raw("\",\"to\":\"still running\"}}");
}

void flight_trace::write_totals() {
    out_.raw("\n],\"otherData\":{\"recorder\":\"coroscope\",\"loop\":\"").number(loop_id_);
    out_.raw("\",\"events recorded\":\"").number(ring_.end());
    out_.raw("\",\"events overwritten\":\"").number(ring_.begin());
    out_.raw("\",\"events torn\":\"").number(torn_).raw("\"}}\n");
}

}  // namespace coroscope::instrumentation
