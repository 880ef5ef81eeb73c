// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/loop_load.hpp>

#include <coroscope/instrumentation/snapshots.hpp>

#include "load_counters.hpp"

#include <coroscope/runtime/detail/loop_core.hpp>
#include <coroscope/runtime/detail/tick_clock.hpp>

#include <algorithm>
#include <utility>

namespace coroscope::instrumentation {

using coroscope::detail::add_to;
using coroscope::detail::tick_clock;

namespace {

/// The name that listings show, if the record is still this task's.
[[nodiscard]] std::string name_of(const step_record& step) {
    std::string name;
    if (step.kind != step_kind::task) { return name; }
    if (step.record != nullptr && step.record->id.load(std::memory_order_acquire) == step.id) {
        for (const auto& letter : step.record->name) {
            const char c = letter.load(std::memory_order_acquire);
            if (c == '\0') { break; }
            name.push_back(c);
        }
    }
    return display_name(step.id, name);
}

[[nodiscard]] long_pass describe(const load_pass& ended) {
    long_pass made;
    made.when = std::chrono::system_clock::now();
    made.busy = tick_clock::to_duration(ended.ticks);
    made.steps = ended.steps;
    made.ready = ended.ready;
    const auto& longest = ended.longest;
    made.longest = step_clock::between(longest.begin, longest.end);
    made.longest_name = name_of(longest);
    made.from = position_of(longest.from);
    made.to = position_of(longest.to);
    return made;
}

}  // namespace

loop_load::loop_load(loop_load_options options)
    : options_(options),
      budget_ticks_(tick_clock::to_ticks(options.iteration_budget)),
      counters_(std::make_unique<load_counters>()),
      pass_(std::make_unique<load_pass>()) {}

loop_load::~loop_load() = default;

void loop_load::on_tick(std::size_t ready, std::size_t scheduled) noexcept {
    if (ready == 0) { return; }
    const auto now = tick_clock::now();
    auto& c = *counters_;
    if (c.began.load(std::memory_order_relaxed) == 0) {
        c.began.store(now, std::memory_order_relaxed);
    }
    add_to(c.passes, std::uint64_t{1});
    add_to(c.sum_of_ready, std::uint64_t{ready});
    set_level(c.ready, c.most_ready, ready);
    set_level(c.scheduled, c.most_scheduled, scheduled);
    pass_->next.add({now, ready});
}

void loop_load::on_task_woken(const task_info& task) noexcept {
    counters_->wakes.note(task.id, tick_clock::now());
}

void loop_load::on_steps(std::span<const step_record> steps) noexcept {
    auto& c = *counters_;
    std::uint64_t ticks = 0;
    for (const auto& step : steps) {
        ticks += tick_clock::between(step.begin, step.end);
        if (step.kind == step_kind::io_poll) { continue; }  // lies between passes
        while (pass_->next.begins_by(step.end)) {
            end_part_of_pass();
            pass_->begin(pass_->next.take());
        }
        pass_->add(step);
        if (step.kind == step_kind::task) { c.count_delay(step); }
    }
    add_to(c.steps, std::uint64_t{steps.size()});
    add_to(c.busy_ticks, ticks);
    end_part_of_pass();  // nobody says when the loop goes to sleep
}

/// Also without its longest step a long pass is over the budget: one slow step is no long pass.
void loop_load::end_part_of_pass() noexcept {
    if (!std::exchange(pass_->has_news, false)) { return; }
    const auto longest = tick_clock::between(pass_->longest.begin, pass_->longest.end);
    if (pass_->ticks - longest <= budget_ticks_) { return; }
    const bool is_new = !std::exchange(pass_->is_kept, true);
    if (is_new) { add_to(counters_->long_passes, std::uint64_t{1}); }
    try {
        auto made = describe(*pass_);
        const std::lock_guard lock(mutex_);
        if (!is_new && !kept_.empty()) {
            kept_.back() = std::move(made);
        } else if (options_.capacity > 0) {
            if (kept_.size() == options_.capacity) { kept_.erase(kept_.begin()); }
            kept_.push_back(std::move(made));
        }
    } catch (...) { return; }  // no memory: it has been counted
}

load_reading loop_load::read() const {
    constexpr auto order = std::memory_order_relaxed;
    const auto& c = *counters_;
    load_reading r;
    const auto began = c.began.load(order);
    if (began != 0) { r.elapsed = step_clock::between(began, tick_clock::now()); }
    r.busy = tick_clock::to_duration(c.busy_ticks.load(order));
    r.steps = c.steps.load(order);
    r.passes = c.passes.load(order);
    r.long_passes = c.long_passes.load(order);
    r.ready = c.ready.load(order);
    r.most_ready = c.most_ready.load(order);
    if (r.passes > 0) {
        r.mean_ready =
            static_cast<double>(c.sum_of_ready.load(order)) / static_cast<double>(r.passes);
    }
    r.scheduled = c.scheduled.load(order);
    r.most_scheduled = c.most_scheduled.load(order);
    r.wake_delay = c.delays.read();
    return r;
}

std::vector<long_pass> loop_load::long_passes() const {
    const std::lock_guard lock(mutex_);
    return kept_;
}

}  // namespace coroscope::instrumentation
