// SPDX-License-Identifier: Apache-2.0
#include "event_log.hpp"

#include "task_report.hpp"

#include <algorithm>
#include <utility>

namespace coroscope::testkit::detail {
namespace {

constexpr std::uint64_t sample_size = 4096;
constexpr std::size_t most_slow_steps = 20;

void mix(std::uint64_t& hash, std::uint64_t value) noexcept {
    hash = (hash ^ value) * 0x9e3779b97f4a7c15U;
    hash ^= hash >> 32U;
}

void mix(std::uint64_t& hash, std::string_view text) noexcept {
    for (const char c : text) {
        mix(hash, static_cast<unsigned char>(c));
    }
    mix(hash, text.size());
}

void mix(std::uint64_t& hash, const await_site& site) noexcept {
    mix(hash, (std::uint64_t{site.line()} << 32U) | site.column());
}

[[nodiscard]] std::uint64_t ticks_of(time_point t) noexcept {
    return static_cast<std::uint64_t>(t.time_since_epoch().count());
}

}  // namespace

event_log::event_log(loop& watched, const limits& most,
                     std::function<void(const std::string&)> on_runaway)
    : loop_(watched),
      most_(most),
      on_runaway_(std::move(on_runaway)) {
    loop_.add_observer(*this);
}

event_log::~event_log() {
    loop_.remove_observer(*this);
}

void event_log::note_event(char what, const task_info& task, std::uint64_t more) noexcept {
    mix(event_hash_, static_cast<unsigned char>(what));
    mix(event_hash_, task.id);
    mix(event_hash_, more);
    mix(event_hash_, ticks_of(loop_.time()));
}

void event_log::on_task_created(const task_info& task) noexcept {
    note_event('c', task, task.parent_id);
    if (std::exchange(has_body_, true)) {  // the body's are those of the call of run_test
        mix(event_hash_, task.name);
        mix(event_hash_, task.created_at);
    }
    if (task.parent_id != 0 && is_background(task.parent_id)) { mark_background(task.id); }
}

void event_log::on_task_finished(const task_info& task, task_outcome outcome) noexcept {
    note_event('f', task, static_cast<std::uint64_t>(outcome));
    forget_background(task.id);
}

void event_log::on_task_woken(const task_info& task) noexcept {
    note_event('w', task, 0);
}

void event_log::on_steps(std::span<const step_record> records) noexcept {
    const auto now = loop_.time();  // time moves between batches only
    for (const auto& record : records) {
        if (record.kind == step_kind::io_poll) { continue; }  // how many is up to real time
        if (now != instant_) {
            instant_ = now;
            at_instant_ = 0;
            mix(step_hash_, ticks_of(now));
        }
        note_step(record);
        if (most_.slow_step > duration::zero()) { note_if_slow(record); }
        if (at_instant_ > most_.at_one_instant || counted_ > most_.steps) {
            look_for_runaway(record);
        }
    }
}

void event_log::note_step(const step_record& record) noexcept {
    ++steps_;
    ++counted_;
    ++at_instant_;
    mix(step_hash_, (record.id << 1U) | (record.kind == step_kind::task ? 1U : 0U));
    mix(step_hash_, record.from);
    mix(step_hash_, record.to);
}

void event_log::note_if_slow(const step_record& record) {
    const auto took = step_clock::between(record.begin, record.end);
    if (took < most_.slow_step || slow_steps_.size() == most_slow_steps) { return; }
    const bool is_task = record.kind == step_kind::task;
    slow_steps_.push_back((is_task ? "task " : "callback ") + std::to_string(record.id) + " ran "
                          + seconds(took) + " of real time from " + to_string(record.from) + " to "
                          + to_string(record.to));
}

void event_log::restart_count(std::uint64_t most_steps) noexcept {
    most_.steps = most_steps;
    counted_ = 0;
    at_instant_ = 0;
    sampled_ = 0;
    sample_.clear();
    reported_ = false;
}

std::uint64_t event_log::hash() const noexcept {
    auto both = event_hash_;
    mix(both, step_hash_);
    return both;
}

// --- Runaways: first count, then see who it is

void event_log::look_for_runaway(const step_record& record) {
    if (reported_) { return; }
    // Each run of a callback has an id of its own: what repeats is where it was scheduled.
    const bool is_task = record.kind == step_kind::task;
    const auto& site = record.from;
    ++sample_[is_task ? offender(record.kind, record.id, 0, "")
                      : offender(record.kind, 0, site.line(), site.file_name())];
    if (++sampled_ == sample_size) {
        reported_ = true;
        report_runaway();
    }
}

void event_log::report_runaway() {
    const auto worst = std::ranges::max_element(
        sample_, [](const auto& a, const auto& b) { return a.second < b.second; });
    const bool at_instant = at_instant_ > most_.at_one_instant;
    std::string text = "runaway: more than ";
    if (at_instant) {
        text += std::to_string(most_.at_one_instant) + " steps at one instant ("
                + seconds(loop_.time().time_since_epoch()) + ")";
    } else {
        text += std::to_string(most_.steps) + " steps";
    }
    on_runaway_(text + "\n  " + describe(worst->first, worst->second));
}

std::string event_log::describe(const offender& who, std::uint64_t count) const {
    const auto [kind, id, line, file] = who;
    auto share = std::to_string(count * 100 / sample_size) + " of 100 steps are ";
    if (kind == step_kind::callback) {
        return share + "callbacks scheduled at " + std::string(file) + ":" + std::to_string(line);
    }
    for (const auto& task : blocked_tasks(loop_)) {
        if (task.view.id == id) { return share + "of " + to_text(task); }
    }
    return share + "of task " + std::to_string(id) + ", which has ended; tasks come and go";
}

}  // namespace coroscope::testkit::detail
