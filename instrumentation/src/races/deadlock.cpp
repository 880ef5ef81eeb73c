// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/deadlock.hpp>

#include "blocked_tasks.hpp"

#include <coroscope/instrumentation/await_graph.hpp>

#include <cstddef>
#include <cstdint>

namespace coroscope::instrumentation {
namespace {

using detail::describe_standstill;
using detail::standstill;

[[nodiscard]] std::vector<awaiting_task> members_of(const await_graph& graph,
                                                    const std::vector<std::size_t>& which) {
    std::vector<awaiting_task> members;
    for (const auto each : which) {
        members.push_back(graph.tasks[each]);
    }
    return members;
}

/// Where all locks that are waited for are one task's, that one waits for those who want them.
[[nodiscard]] standstill kind_of(const std::vector<awaiting_task>& circle) {
    std::uint64_t holder = 0;
    for (const auto& task : circle) {
        if (task.holder == 0) { continue; }
        if (holder != 0 && holder != task.holder) { return standstill::lock_cycle; }
        holder = task.holder;
    }
    return holder == 0 ? standstill::await_cycle : standstill::self_lock;
}

}  // namespace

std::vector<report::finding> find_deadlocks(const loop& of, outlook known) {
    const auto graph = capture_await_graph(of);
    const auto sure =
        known == outlook::quiet ? report::verdict::confirmed : report::verdict::predicted;
    std::vector<report::finding> found;
    std::vector<bool> is_told(graph.tasks.size(), false);
    for (const auto& circle : graph.circles()) {
        const auto members = members_of(graph, circle);
        found.push_back(describe_standstill(kind_of(members), sure, members));
        for (const auto member : circle) {
            is_told[member] = true;
        }
    }
    if (known != outlook::quiet) { return found; }
    std::vector<std::size_t> others;
    for (std::size_t i = 0; i < graph.tasks.size(); ++i) {
        if (!is_told[i] && graph.tasks[i].state == task_state::waiting) { others.push_back(i); }
    }
    if (!others.empty()) {
        found.push_back(
            describe_standstill(standstill::all_blocked, sure, members_of(graph, others)));
    }
    return found;
}

}  // namespace coroscope::instrumentation
