// SPDX-License-Identifier: Apache-2.0
#include "flight_history.hpp"

#include "flight_trace.hpp"

#include <algorithm>
#include <limits>
#include <memory>

namespace coroscope::instrumentation {

flight_history::flight_history(const flight_recorder& recorder) {
    const auto space = std::make_unique<unsent_steps::space>();
    const unsent_steps unsent(recorder.unsent_.load(std::memory_order_acquire), space.get());
    const flight_ring ring(flight_ring::copy_tag{}, *recorder.ring_);
    add_events(ring);
    for (const auto& step : unsent.all()) {
        if (step.begin >= last_end_) {  // else it is in the ring by now
            add_step(step.kind, step.id, {step.begin, step.end, step.from, step.to});
        }
    }
    now_ = step_clock::now();
    add_tasks_of_now(recorder.loop_id_.load(std::memory_order_acquire));
    since_ = std::min(since_, now_);
    for (auto& [id, story] : stories_) {
        std::sort(story.wakes.begin(), story.wakes.end(),
                  [](const told_wake& a, const told_wake& b) { return a.stamp < b.stamp; });
    }
}

void flight_history::add_events(const flight_ring& ring) {
    overwritten_ = ring.begin();
    since_ = std::numeric_limits<std::uint64_t>::max();
    const auto last = ring.end();
    for (auto number = overwritten_; number < last; ++number) {
        flight_event e;
        if (!ring.read(number, e)) { continue; }
        // Steps are told late, a batch at a time: the wakes of the first batch may be overwritten.
        const bool is_whole = overwritten_ == 0 || e.kind() != flight_kind::step
                              || number >= overwritten_ + coroscope::detail::step_batch::capacity;
        if (e.kind() != flight_kind::name && is_whole) { since_ = std::min(since_, e.stamp); }
        add(ring, number, e);
    }
}

void flight_history::add(const flight_ring& ring, std::uint64_t number, const flight_event& e) {
    switch (e.kind()) {
    case flight_kind::step: {
        const auto step = unpack(e);
        add_step(step.kind, e.id(), {e.stamp, e.stamp + step.ticks, step.from, step.to});
        break;
    }
    case flight_kind::spawn: {
        auto& story = story_of(e.id());
        story.created = e.stamp;
        story.created_at = site_of(e.first);
        story.parent = e.second;
        story.name = display_name(e.id(), name_after(ring, number, e).view());
        break;
    }
    case flight_kind::end:
        story_of(e.id()).ended = e.stamp;
        story_of(e.id()).name = display_name(e.id(), name_after(ring, number, e).view());
        break;
    case flight_kind::edge:
    case flight_kind::woken:
        if (e.second != 0) {
            const auto kind = static_cast<wait_kind>(e.second - 1);
            story_of(e.id()).wakes.push_back({e.stamp, e.first, kind});
        }
        break;
    case flight_kind::name:
    case flight_kind::none: break;
    }
}

void flight_history::add_step(step_kind kind, std::uint64_t id, const told_step& step) {
    last_end_ = std::max(last_end_, step.end);
    if (kind == step_kind::task) {
        story_of(id).steps.push_back(step);
    } else if (kind == step_kind::callback) {
        callbacks_.push_back(step);
    }
}

void flight_history::add_tasks_of_now(std::uint32_t loop_id) {
    if (loop_id == 0) { return; }  // it never ran
    for (const auto& task : read_tasks(loop_id)) {
        auto& story = story_of(task.id);
        story.name = task.name;
        story.parent = task.parent_id;
        story.created_at = task.created_at;
        if (task.state == task_state::running) {
            add_running(story);
        } else if (task.state == task_state::waiting) {
            story.waits_for = task.waits_for;
            story.holder = task.waits_for == wait_kind::task ? task.wait_object : task.wait_owner;
            story.site = task.site;
        }
    }
}

/// Its step began when what the loop did before had ended, or when the task was woken.
void flight_history::add_running(task_story& story) {
    auto began = last_end_;
    for (const auto& wake : story.wakes) {
        began = std::max(began, wake.stamp);
    }
    if (story.created) { began = std::max(began, *story.created); }
    const auto from = story.steps.empty() ? await_site{} : story.steps.back().to;
    story.steps.push_back({std::min(began, now_), now_, from, {}});
}

task_story& flight_history::story_of(std::uint64_t id) {
    auto& story = stories_[id];
    if (story.id == 0) {
        story.id = id;
        story.name = display_name(id, {});
    }
    return story;
}

const task_story* flight_history::find(std::uint64_t id) const {
    const auto found = stories_.find(id);
    return found == stories_.end() ? nullptr : &found->second;
}

const task_story* flight_history::find(std::string_view name) const {
    const task_story* youngest = nullptr;
    for (const auto& [id, story] : stories_) {
        if (story.name == name && (youngest == nullptr || id > youngest->id)) { youngest = &story; }
    }
    return youngest;
}

const told_step* flight_history::callback_at(std::uint64_t stamp) const {
    const auto after =
        std::upper_bound(callbacks_.begin(), callbacks_.end(), stamp,
                         [](std::uint64_t at, const told_step& s) { return at < s.begin; });
    if (after == callbacks_.begin()) { return nullptr; }
    const auto& step = *std::prev(after);
    return stamp <= step.end ? &step : nullptr;
}

}  // namespace coroscope::instrumentation
