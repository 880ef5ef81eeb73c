// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/loop_histograms.hpp>

#include "histogram_rows.hpp"
#include "waiting/pause.hpp"

#include <coroscope/runtime/detail/pause_sink.hpp>
#include <coroscope/runtime/detail/task_core.hpp>
#include <coroscope/runtime/detail/tick_clock.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/loop_table.hpp>
#include <coroscope/runtime/task_table.hpp>

#include <algorithm>
#include <utility>

namespace coroscope::instrumentation {

using coroscope::detail::add_to;
using coroscope::detail::frame_base;
using coroscope::detail::task_core;
using coroscope::detail::tick_clock;
using report::latency_table;

namespace {

/// How long ago a deadline was, by the machine's clock; not positive if it has not come.
[[nodiscard]] duration time_since(std::int64_t deadline) noexcept {
    const auto now = system_monotonic_clock::instance().now().time_since_epoch();
    return now - duration(std::max(deadline, std::int64_t{0}));
}

/// The row of a key, under `other_key` if there are too many.
[[nodiscard]] report::latency_row& row_in(latency_table::rows& rows, const std::string& key,
                                          std::size_t limit) {
    if (const auto found = rows.find(key); found != rows.end()) { return found->second; }
    if (rows.size() < limit) { return rows[key]; }
    return rows[std::string(report::other_key)];
}

}  // namespace

class loop_histograms::recorder : coroscope::detail::pause_sink {
public:
    recorder(loop& watched, const loop_histograms_options& options)
        : pause_sink{.note = &recorder::note_begin, .note_step = &recorder::note_end},
          core_(watched.core()),
          loop_id_(watched.id()),
          deadlines_are_real_(core_.time == &system_monotonic_clock::instance()),
          options_(options),
          rows_(options.max_coroutines, options.max_names) {
        core_.add_reference();
        watched.add_pause_sink(*this);
    }
    ~recorder() {
        if (core_.self != nullptr) { core_.self->remove_pause_sink(*this); }
        core_.release();
    }
    recorder(const recorder&) = delete;
    recorder& operator=(const recorder&) = delete;

    /// What has ended is read first: what ends meanwhile is missing rather than counted twice.
    [[nodiscard]] latency_table read() const {
        latency_table table;
        table.duration = step_clock::between(attached_at_, step_clock::now());
        add_ended(table);
        add_pauses(table);
        add_step(table);
        return table;
    }

private:
    static void note_begin(pause_sink& self, task_core& task, std::uint64_t now) noexcept {
        static_cast<recorder&>(self).begin_step(task, now);
    }
    static void note_end(pause_sink& self, const task_core* task, const frame_base* innermost,
                         std::uint64_t ticks) noexcept {
        static_cast<recorder&>(self).end_step(task, innermost, ticks);
    }

    void begin_step(const task_core& task, std::uint64_t now) noexcept {
        constexpr auto relaxed = std::memory_order_relaxed;
        const auto& record = task.record();
        if (!has_site(*task.top)) {  // its first step: counted at its end, when more is known
            running_row_.store(nullptr, std::memory_order_release);
            return;
        }
        auto& row = rows_.row_of(task, *task.top);
        running_row_.store(nullptr, std::memory_order_release);
        running_id_.store(record.id.load(relaxed), std::memory_order_release);
        running_row_.store(&row, std::memory_order_release);
        const auto ended = pause_of(record, true, attached_at_, now);
        auto delay = tick_clock::to_duration(ended.scheduled);
        if (ended.kind != wait_kind::nothing) {
            auto wait = tick_clock::to_duration(ended.waiting);
            if (ended.kind == wait_kind::sleep && deadlines_are_real_) {
                const auto late = time_since(record.wait_detail.load(relaxed));
                const auto moved = std::clamp(late - delay, duration(0), wait);
                delay += moved;
                wait -= moved;
            }
            row.waits.add(wait);
        }
        row.delays.add(delay);
    }

    void end_step(const task_core* task, const frame_base* innermost,
                  std::uint64_t ticks) noexcept {
        if (task == nullptr) {
            rows_.callbacks().steps.add(tick_clock::to_duration(ticks));
            return;
        }
        constexpr auto relaxed = std::memory_order_relaxed;
        const auto& record = task->record();
        auto& row = rows_.row_of(*task, *innermost);
        row.steps.add(tick_clock::to_duration(ticks));
        if (histogram_rows::is_other(row)) { add_to(dropped_, std::uint64_t{1}); }
        const auto sequence = record.sequence.load(relaxed);
        if (task_record::steps_at(sequence) == 1 && sequence % 2 == 0) {
            const auto began = core_.step_began->get() - ticks;
            const auto delay = std::min(record.scheduled_ticks.load(relaxed),
                                        tick_clock::between(attached_at_, began));
            row.delays.add(tick_clock::to_duration(delay));
        }
        if (task->top == nullptr) { rows_.forget(record.id.load(relaxed)); }
    }

    void add_ended(latency_table& to) const {
        to.dropped = dropped_.load(std::memory_order_relaxed);
        const auto count = rows_.size();
        for (std::size_t i = 0; i < count; ++i) {
            const auto& row = rows_.at(i);
            report::latency_row read;
            read.step.ended = row.steps.read();
            read.delay.ended = row.delays.read();
            read.wait.ended = row.waits.read();
            if (read == report::latency_row{}) { continue; }
            to.by_coroutine[row.coroutine_text()].merge(read);
            to.by_name[row.name_text()].merge(read);
        }
    }

    void add_going_on(latency_table& to, const std::string& coroutine, const task_view& task,
                      const report::latency_row& ages) const {
        const bool is_unnamed = task.name == display_name(task.id, {});
        row_in(to.by_coroutine, coroutine, options_.max_coroutines + 2).merge(ages);
        row_in(to.by_name, is_unnamed ? "(unnamed)" : task.name, options_.max_names + 3)
            .merge(ages);
    }

    void add_pauses(latency_table& to) const {
        for (const auto& task : read_tasks(loop_id_)) {
            if (task.state != task_state::waiting && task.state != task_state::ready) { continue; }
            const auto sites = read_task_stack(task);
            const bool has_begun = task.steps > 0 && !sites.empty();
            const auto key =
                has_begun ? key_of_coroutine(sites.back()) : key_of_creation(task.created_at);
            add_going_on(to, text_of_coroutine(key), task, pause_so_far(task));
        }
    }

    [[nodiscard]] report::latency_row pause_so_far(const task_view& task) const {
        const auto now = step_clock::now();
        const auto all = std::min(task.since_change, step_clock::between(attached_at_, now));
        auto delay = duration(0);
        if (task.state == task_state::ready) {
            const auto woken = task.steps > 0 ? task.record->woken_at.load() : 0;
            const auto since_woken = step_clock::between(woken, now);
            delay = woken != 0 ? std::min(all, since_woken) : all;
        } else if (task.wait_deadline && deadlines_are_real_) {
            const auto late = time_since(task.wait_deadline->time_since_epoch().count());
            delay = std::clamp(late, duration(0), all);
        }
        report::latency_row ages;
        if (delay > duration(0)) { ages.delay.going_on.add(delay); }
        if (all > delay || task.state == task_state::waiting) {
            ages.wait.going_on.add(all - delay);
        }
        return ages;
    }

    void add_step(latency_table& to) const {
        const auto activity = read_activity(loop_id_);
        if (!activity || !activity->in_step) { return; }
        const auto since = std::max(activity->began, attached_at_);
        report::latency_row ages;
        ages.step.going_on.add(step_clock::between(since, step_clock::now()));
        if (activity->kind == step_kind::callback) {
            to.by_coroutine["(callbacks)"].merge(ages);
            to.by_name["(callbacks)"].merge(ages);
        } else if (const auto task = read_task(activity->record)) {
            constexpr auto acquire = std::memory_order_acquire;
            const auto before = running_id_.load(acquire);
            const auto* row = running_row_.load(acquire);
            const bool is_its =
                row != nullptr && before == task->id && running_id_.load(acquire) == task->id;
            add_going_on(to,
                         is_its ? row->coroutine_text()
                                : text_of_coroutine(key_of_creation(task->created_at)),
                         *task, ages);
        }
    }

    coroscope::detail::loop_core& core_;
    const std::uint32_t loop_id_;
    const bool deadlines_are_real_;
    const loop_histograms_options options_;
    const std::uint64_t attached_at_ = step_clock::now();
    histogram_rows rows_;
    std::atomic<std::uint64_t> dropped_{0};
    // The step that runs; no row: not known, or its first.
    std::atomic<const histogram_row*> running_row_{nullptr};
    std::atomic<std::uint64_t> running_id_{0};
};

loop_histograms::loop_histograms(loop& watched, const loop_histograms_options& options)
    : recorder_(std::make_unique<recorder>(watched, options)) {}

loop_histograms::~loop_histograms() = default;

latency_table loop_histograms::read() const {
    return recorder_->read();
}

latency_table loop_histograms::take() {
    const std::lock_guard lock(mutex_);
    auto all = recorder_->read();
    auto news = all.since(taken_);
    taken_ = std::move(all);
    return news;
}

}  // namespace coroscope::instrumentation
