// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/snapshots.hpp>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>

namespace coroscope::instrumentation {
namespace {

report::task_state state_of(task_state state) {
    switch (state) {
    case task_state::ready: return report::task_state::ready;
    case task_state::running: return report::task_state::running;
    case task_state::waiting: return report::task_state::waiting;
    case task_state::done: return report::task_state::done;
    }
    return report::task_state::unknown;
}

bool is_wanted(std::span<const std::uint32_t> loops, std::uint32_t id) {
    return loops.empty() || std::find(loops.begin(), loops.end(), id) != loops.end();
}

using task_key = std::pair<std::uint32_t, std::uint64_t>;  // loop, id

task_key key_of(const task_view& task) {
    return {task.loop_id, task.id};
}

// Views are sorted by loop and id.
const task_view* find_task(const std::vector<task_view>& views, const task_key& key) {
    const auto found =
        std::lower_bound(views.begin(), views.end(), key,
                         [](const task_view& view, const task_key& k) { return key_of(view) < k; });
    return found != views.end() && key_of(*found) == key ? &*found : nullptr;
}

std::map<std::uint32_t, std::chrono::nanoseconds> loop_times() {
    std::map<std::uint32_t, std::chrono::nanoseconds> times;
    for (const auto& l : read_loops()) {
        if (l.alive) { times.emplace(l.id, l.time.time_since_epoch()); }
    }
    return times;
}

}  // namespace

report::task_list snapshot_tasks(std::span<const std::uint32_t> loops, std::size_t limit,
                                 stacks wanted) {
    const auto times = loop_times();
    const auto views = read_tasks(loops.size() == 1 ? loops.front() : 0);
    report::task_list list;
    for (const auto& view : views) {
        if (!is_wanted(loops, view.loop_id)) { continue; }
        if (list.tasks.size() == limit) {
            ++list.omitted;
            continue;
        }
        auto& task = list.tasks.emplace_back(to_snapshot(view));
        if (const auto time = times.find(view.loop_id); time != times.end()) {
            task.taken_at = time->second;
        }
        if (wanted == stacks::with) { task.async_stack = async_stack_of(view); }
        const auto named = [&](std::uint64_t id) {
            const auto* found = find_task(views, {view.loop_id, id});
            return "task " + std::to_string(id)
                   + (found != nullptr ? " '" + found->name + "'" : std::string());
        };
        if (view.waits_for == wait_kind::task) { task.wait_object = named(view.wait_object); }
        if (view.wait_owner != 0) { task.wait_owner = named(view.wait_owner); }
    }
    return list;
}

std::vector<report::loop_stats> snapshot_loops(std::span<const std::uint32_t> loops) {
    std::vector<report::loop_stats> all;
    for (const auto& l : read_loops()) {
        if (is_wanted(loops, l.id)) { all.push_back(to_stats(l)); }
    }
    return all;
}

report::task_snapshot to_snapshot(const task_view& task) {
    report::task_snapshot made;
    made.id = task.id;
    made.loop_id = task.loop_id;
    made.name = task.name;
    made.state = state_of(task.state);
    made.created_at = position_of(task.created_at);
    made.parent_id = task.parent_id;
    made.await_site = position_of(task.site);
    made.steps = task.steps;
    made.busy = task.busy;
    made.scheduled = task.scheduled;
    made.waiting = task.waiting;
    if (task.origin.size() > 1) {
        for (const auto& site : task.origin.sites()) {
            made.origin.push_back(position_of(site));
        }
    }
    if (task.state == task_state::waiting) {
        made.wait_kind = to_string(task.waits_for);
        made.wait_object = wait_object_text(task.waits_for, task.wait_object);
        made.waiting_for = task.since_change;
        if (task.wait_deadline) { made.wait_deadline = task.wait_deadline->time_since_epoch(); }
    }
    return made;
}

report::loop_stats to_stats(const loop_view& l) {
    report::loop_stats stats;
    stats.loop_id = l.id;
    stats.steps = l.statistics.steps;
    stats.busy = l.statistics.busy;
    stats.idle = l.statistics.idle;
    stats.ready = l.statistics.ready;
    stats.scheduled = l.statistics.scheduled;
    stats.tasks = l.statistics.tasks;
    return stats;
}

std::string wait_object_text(wait_kind kind, std::uint64_t object) {
    return report::wait_object_text(to_string(kind), object);
}

std::optional<report::stack> async_stack_of(const task_view& task) {
    const auto sites = read_task_stack(task);
    if (sites.empty()) { return std::nullopt; }
    report::stack stack;
    stack.truncated = sites.size() == most_stack_sites;
    for (const auto& site : sites) {
        stack.frames.push_back(frame_of(site));
    }
    return stack;
}

report::stack_frame frame_of(const await_site& site) {
    const auto position = position_of(site);
    report::stack_frame frame;
    frame.function = position.empty() ? "?" : position.function;
    frame.file = position.file;
    frame.line = position.line;
    return frame;
}

report::source_position position_of(const await_site& site) {
    if (site.line() == 0) { return {}; }
    return {site.file_name(), site.line(), function_name(site)};
}

}  // namespace coroscope::instrumentation
