// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/await_graph.hpp>

#include "races/blocked_tasks.hpp"

#include <coroscope/runtime/detail/task_core.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/task.hpp>

#include <algorithm>
#include <unordered_map>
#include <utility>

namespace coroscope::instrumentation {
namespace {

using coroscope::detail::task_core;

/// Adds tasks as they are come by; each once.
class graph_builder {
public:
    explicit graph_builder(const coroscope::detail::loop_core& in) {
        for (auto* task = in.first_task; task != nullptr; task = task->next) {
            const auto holder = task->waiting_on != nullptr ? task->waiting_on->held_by() : 0;
            if (holder != 0) { held_up_[holder].push_back(task); }
        }
    }
    std::size_t add(task_core& task) {
        const auto [place, is_new] = places_.try_emplace(&task, found_.size());
        if (is_new) {
            found_.push_back(&task);
            graph_.tasks.push_back(detail::describe_task(task));
        }
        return place->second;
    }
    /// Follows whoever waits, until nobody new does.
    [[nodiscard]] await_graph finish() && {
        std::vector<task_core*> waiting;
        for (std::size_t i = 0; i < found_.size(); ++i) {
            waiting.clear();
            found_[i]->collect_awaiting(waiting);
            const auto held_up = held_up_.find(found_[i]->id());
            if (held_up != held_up_.end()) {
                waiting.insert(waiting.end(), held_up->second.begin(), held_up->second.end());
            }
            for (auto* task : waiting) {
                const auto by = add(*task);
                auto& awaits = graph_.tasks[by].awaits;
                if (!awaits.empty() && awaits.back() == i) { continue; }  // in two ways
                awaits.push_back(i);
                graph_.tasks[i].awaited_by.push_back(by);
            }
        }
        return std::move(graph_);
    }

private:
    await_graph graph_;
    std::vector<task_core*> found_;
    std::unordered_map<const task_core*, std::size_t> places_;
    std::unordered_map<std::uint64_t, std::vector<task_core*>> held_up_;  // by holder of a mutex
};

/// Tarjan's algorithm with a stack of its own: chains of tasks may be a million long.
class circle_finder {
public:
    explicit circle_finder(const await_graph& graph) : graph_(graph), nodes_(graph.tasks.size()) {}

    [[nodiscard]] std::vector<std::vector<std::size_t>> find() {
        for (std::size_t i = 0; i < nodes_.size(); ++i) {
            if (nodes_[i].number == 0) { search_from(i); }
        }
        std::sort(circles_.begin(), circles_.end());
        return std::move(circles_);
    }

private:
    struct node {
        std::size_t number = 0;  // 0: not visited
        std::size_t lowest = 0;
        std::size_t next_edge = 0;
        bool open = false;
    };

    void search_from(std::size_t root) {
        std::vector<std::size_t> path;
        enter(root, path);
        while (!path.empty()) {
            const auto current = path.back();
            auto& n = nodes_[current];
            const auto& edges = graph_.tasks[current].awaits;
            if (n.next_edge < edges.size()) {
                const auto next = edges[n.next_edge++];
                if (nodes_[next].number == 0) {
                    enter(next, path);
                } else if (nodes_[next].open) {
                    n.lowest = std::min(n.lowest, nodes_[next].number);
                }
                continue;
            }
            path.pop_back();
            if (!path.empty()) {
                auto& before = nodes_[path.back()];
                before.lowest = std::min(before.lowest, n.lowest);
            }
            if (n.lowest == n.number) { close(current); }
        }
    }
    void enter(std::size_t i, std::vector<std::size_t>& path) {
        nodes_[i].number = nodes_[i].lowest = ++count_;
        nodes_[i].open = true;
        open_.push_back(i);
        path.push_back(i);
    }
    void close(std::size_t first) {
        std::vector<std::size_t> component;
        std::size_t member = 0;
        do {
            member = open_.back();
            open_.pop_back();
            nodes_[member].open = false;
            component.push_back(member);
        } while (member != first);
        if (component.size() == 1 && !awaits_itself(first)) { return; }
        std::sort(component.begin(), component.end());
        circles_.push_back(std::move(component));
    }

    /// Through a `gather` or a `shield`; to await itself directly is an error.
    [[nodiscard]] bool awaits_itself(std::size_t task) const {
        const auto& awaits = graph_.tasks[task].awaits;
        return std::find(awaits.begin(), awaits.end(), task) != awaits.end();
    }

    const await_graph& graph_;
    std::vector<node> nodes_;
    std::vector<std::size_t> open_;
    std::vector<std::vector<std::size_t>> circles_;
    std::size_t count_ = 0;
};

}  // namespace

std::vector<std::vector<std::size_t>> await_graph::circles() const {
    return circle_finder(*this).find();
}

await_graph capture_await_graph(const task_handle& from) {
    graph_builder builder(*from.core().loop);
    builder.add(from.core());
    return std::move(builder).finish();
}

await_graph capture_await_graph(const loop& of) {
    graph_builder builder(of.core());
    for (auto* task = of.core().first_task; task != nullptr; task = task->next) {
        builder.add(*task);
    }
    return std::move(builder).finish();
}

}  // namespace coroscope::instrumentation
