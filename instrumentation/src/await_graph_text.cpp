// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/await_graph.hpp>

#include "native_stack.hpp"

#include <coroscope/runtime/task.hpp>

#include <algorithm>
#include <ostream>
#include <utility>

namespace coroscope::instrumentation {
namespace {

[[nodiscard]] std::string indent(std::size_t depth) {
    constexpr std::size_t deepest = 40;  // what lies deeper is not moved further
    return std::string(2 * std::min(depth, deepest), ' ');
}

[[nodiscard]] std::string title(const awaiting_task& task) {
    return "task " + std::to_string(task.id) + " (" + task.name + ")";
}

[[nodiscard]] std::string condition(const awaiting_task& task) {
    if (task.waits_on.empty()) { return std::string(", ") + to_string(task.state); }
    return ", waiting: " + task.waits_on
           + (task.holder != 0 ? ", held by task " + std::to_string(task.holder) : "");
}

[[nodiscard]] std::string place(const await_site& site) {
    return coroscope::to_string(site) + " in " + function_name(site);
}

/// Where a task stands, or, if it has not begun, where it was created.
[[nodiscard]] std::string place(const awaiting_task& task) {
    return task.stack.empty() ? "created at " + place(task.created_at)
                              : "at " + place(task.stack.front());
}

/// Writes a task, then those that wait for it. Iterative, since chains may be a million long: what
/// is to come lies on a stack, the next on top.
class stack_printer {
public:
    stack_printer(std::ostream& out, const await_graph& graph)
        : out_(out),
          graph_(graph),
          shown_(graph.tasks.size(), false),
          circle_of_(graph.tasks.size(), 0) {}

    void print() {
        std::size_t number = 0;
        for (const auto& circle : graph_.circles()) {
            ++number;
            for (const auto task : circle) {
                circle_of_[task] = number;
            }
        }
        pending_.push_back({0, 0, 0, false});
        while (!pending_.empty()) {
            const auto next = pending_.back();
            pending_.pop_back();
            print_task(next);
        }
    }

private:
    struct entry {
        std::size_t task;
        std::size_t awaited;  // the one that it awaits
        std::size_t depth;    // of blocks
        bool awaits;          // one that was written before
    };

    void print_task(const entry& e) {
        const auto& task = graph_.tasks[e.task];
        const std::string margin = indent(e.depth);
        const char* const how = task.holder != 0 ? "holds up " : "awaited by ";
        out_ << margin << (e.awaits ? how : "") << title(task);
        if (shown_[e.task]) {
            const auto circle = circle_of_[e.task];
            const bool leads_back = circle != 0 && circle == circle_of_[e.awaited];
            out_ << (leads_back ? ": a circle\n" : ": see above\n");
            return;
        }
        shown_[e.task] = true;
        out_ << (e.awaits && task.holder == 0 ? "" : condition(task)) << '\n';
        if (task.stack.empty()) { out_ << margin << "  " << place(task) << '\n'; }
        for (const auto& site : task.stack) {
            out_ << margin << "  " << place(site) << '\n';
        }
        const auto& by = task.awaited_by;
        const auto depth = by.size() > 1 ? e.depth + 1 : e.depth;
        for (auto i = by.size(); i-- > 0;) {
            pending_.push_back({by[i], e.task, depth, true});
        }
    }
    std::ostream& out_;
    const await_graph& graph_;
    std::vector<bool> shown_;
    std::vector<std::size_t> circle_of_;  // its number; 0: none
    std::vector<entry> pending_;
};

void print_circle(std::ostream& out, const await_graph& graph,
                  const std::vector<std::size_t>& circle) {
    out << "a circle of tasks that wait for each other:\n";
    for (const auto i : circle) {
        const auto& task = graph.tasks[i];
        out << "  " << title(task) << condition(task) << ", " << place(task) << '\n';
    }
}

}  // namespace

void print_async_stack(std::ostream& out, const task_handle& task) {
    const auto graph = capture_await_graph(task);
    stack_printer(out, graph).print();
}

void print_current_stack(std::ostream& out) {
    const auto task = current_task();
    if (!task.valid()) {
        out << "no task runs on this thread\n";
        return;
    }
    // A coroutine's frame begins with the address of the function that runs its steps.
    const auto* const steps = *static_cast<void* const*>(task.core().top->coroutine().address());
    print(out, native_stack::capture(__builtin_return_address(0)).called_by(steps));
    print_async_stack(out, task);
}

void print_await_tree(std::ostream& out, const await_graph& graph) {
    std::vector<bool> shown(graph.tasks.size(), false);
    std::vector<std::pair<std::size_t, std::size_t>> pending;  // task, depth; the next one last
    for (const auto& circle : graph.circles()) {
        print_circle(out, graph, circle);
        pending.emplace_back(circle.front(), 0);  // perhaps nobody outside leads to it
    }
    for (auto i = graph.tasks.size(); i-- > 0;) {
        if (graph.tasks[i].awaited_by.empty()) { pending.emplace_back(i, 0); }
    }
    while (!pending.empty()) {
        const auto [index, depth] = pending.back();
        pending.pop_back();
        if (shown[index]) { continue; }
        shown[index] = true;
        const auto& task = graph.tasks[index];
        out << indent(depth) << title(task) << condition(task) << ", " << place(task) << '\n';
        for (auto i = task.awaits.size(); i-- > 0;) {
            pending.emplace_back(task.awaits[i], depth + 1);
        }
    }
}

}  // namespace coroscope::instrumentation
