// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/deadlock.hpp>

#include <coroscope/instrumentation/await_graph.hpp>
#include <coroscope/instrumentation/snapshots.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>

namespace coroscope::instrumentation {
namespace {

[[nodiscard]] std::string blocked_text(const awaiting_task& task) {
    return "task " + std::to_string(task.id) + " (" + task.name + ")";
}

[[nodiscard]] await_site stands_at(const awaiting_task& task) {
    return task.stack.empty() ? await_site() : task.stack.front();
}

[[nodiscard]] std::string blocked_at(const awaiting_task& task) {
    const auto site = stands_at(task);
    auto text = blocked_text(task) + " waits for " + task.waits_on;
    if (task.holder != 0) { text += ", which task " + std::to_string(task.holder) + " holds,"; }
    if (site.line() != 0) {
        text += " at " + coroscope::to_string(site) + " in " + function_name(site);
    }
    return text;
}

void add_blocked(report::finding& to, const awaiting_task& task) {
    to.evidence.push_back(
        {"task",
         blocked_text(task) + ", created at " + coroscope::to_string(task.created_at),
         position_of(task.created_at),
         {}});
    report::evidence_item waits{"waits", blocked_at(task), position_of(stands_at(task)), {}};
    waits.stack.emplace();
    for (const auto& site : task.stack) {
        waits.stack->frames.push_back(to_frame(site));
    }
    to.evidence.push_back(std::move(waits));
}

[[nodiscard]] report::finding blocked_finding(const await_graph& graph, std::string rule,
                                              const std::vector<std::size_t>& members) {
    report::finding made;
    made.rule = std::move(rule);
    made.severity = report::severity::error;
    std::vector<report::source_position> places;
    std::string separator;
    for (const auto member : members) {
        const auto& task = graph.tasks[member];
        places.push_back(position_of(stands_at(task)));
        made.message += std::exchange(separator, "; ") + blocked_at(task);
        add_blocked(made, task);
    }
    std::ranges::sort(places, {}, [](const auto& p) { return p.function + to_string(p); });
    made.where = places.front();
    made.fingerprint = make_fingerprint(made.rule, places);
    return made;
}

[[nodiscard]] report::finding circle_finding(const await_graph& graph,
                                             const std::vector<std::size_t>& circle) {
    const bool has_lock =
        std::ranges::any_of(circle, [&](auto member) { return graph.tasks[member].holder != 0; });
    auto made = blocked_finding(graph, has_lock ? "lock-cycle" : "await-cycle", circle);
    made.message += ": each waits for the next, and none can go on. ";
    made.message += has_lock
                        ? "Take the locks in one order everywhere, and await no task that needs "
                          "a lock that is held."
                        : "Let one of them end without the others.";
    return made;
}

}  // namespace

std::vector<report::finding> find_deadlocks(const loop& of, outlook known) {
    const auto graph = capture_await_graph(of);
    std::vector<report::finding> found;
    std::vector<bool> is_told(graph.tasks.size(), false);
    for (const auto& circle : graph.circles()) {
        auto& made = found.emplace_back(circle_finding(graph, circle));
        made.verdict =
            known == outlook::quiet ? report::verdict::confirmed : report::verdict::predicted;
        for (const auto member : circle) {
            is_told[member] = true;
        }
    }
    if (known != outlook::quiet) { return found; }
    std::vector<std::size_t> others;
    for (std::size_t i = 0; i < graph.tasks.size(); ++i) {
        if (!is_told[i] && graph.tasks[i].state == task_state::waiting) { others.push_back(i); }
    }
    if (others.empty()) { return found; }
    auto& made = found.emplace_back(blocked_finding(graph, "all-blocked", others));
    made.message +=
        ": nothing is ready, and nothing that could come is awaited, so that they wait for ever. "
        "Find who should have woken them.";
    return found;
}

}  // namespace coroscope::instrumentation
