// SPDX-License-Identifier: Apache-2.0
#include "task_report.hpp"

#include "environment_variable.hpp"

#include <coroscope/instrumentation/await_graph.hpp>
#include <coroscope/runtime/exception_context.hpp>
#include <coroscope/runtime/future.hpp>
#include <coroscope/runtime/task.hpp>

#include <algorithm>
#include <map>
#include <memory>

#include <cxxabi.h>

namespace coroscope::testkit::detail {
namespace {

constexpr std::size_t most_tasks = 100;

[[nodiscard]] std::string name_of(const task_view& task) {
    return "task " + std::to_string(task.id) + " (" + task.name + ")";
}

using tasks_by_id = std::map<std::uint64_t, const task_view*>;

[[nodiscard]] std::string name_of(std::uint64_t id, const tasks_by_id& known) {
    const auto found = known.find(id);
    return found != known.end() ? name_of(*found->second) : "task " + std::to_string(id);
}

[[nodiscard]] std::string list_of(const std::vector<std::uint64_t>& ids, const tasks_by_id& known) {
    std::string text;
    for (const auto id : ids) {
        text += (text.empty() ? "" : ", ") + name_of(id, known);
    }
    return text;
}

/// The future that a task stands at; null if it waits for something else.
[[nodiscard]] const coroscope::detail::future_core* awaited_future(const any_task& task) {
    const auto* awaiter =
        dynamic_cast<const coroscope::detail::future_awaiter*>(task.core().waiting_on);
    return awaiter != nullptr ? &awaiter->source() : nullptr;
}

[[nodiscard]] std::string wait_text(const task_view& task, const tasks_by_id& known) {
    const auto object = std::to_string(task.wait_object);
    switch (task.waits_for) {
    case wait_kind::nothing: return {};
    case wait_kind::sleep:
        return "sleeps until "
               + seconds(task.wait_deadline.value_or(time_point()).time_since_epoch());
    case wait_kind::task: return "waits on " + name_of(task.wait_object, known);
    case wait_kind::io: return "waits on I/O operation " + object;
    case wait_kind::clock: return "waits on its move of the fake clock";
    default: return std::string("waits on ") + to_string(task.waits_for) + " " + object;
    }
}

void add_details(blocked_task& task, const any_task& handle, const tasks_by_id& known) {
    const auto waits_for = task.view.waits_for;
    if (waits_for == wait_kind::mutex) {
        if (!task.awaits.empty()) { task.waits_on += ", held by " + list_of(task.awaits, known); }
    } else if (waits_for != wait_kind::task && !task.awaits.empty()) {
        task.waits_on += " of " + list_of(task.awaits, known);
    }
    const auto* future = awaited_future(handle);
    if (future != nullptr) {
        task.waits_on += " (created at " + to_string(future->created_at) + ")";
    }
}

using tasks_of_graph = std::map<std::uint64_t, const instrumentation::awaiting_task*>;

[[nodiscard]] std::vector<std::uint64_t> ids_of(const instrumentation::await_graph& graph,
                                                const std::vector<std::size_t>& tasks) {
    std::vector<std::uint64_t> ids;
    for (const auto each : tasks) {
        ids.push_back(graph.tasks[each].id);
    }
    return ids;
}

}  // namespace

std::vector<blocked_task> blocked_tasks(const loop& of) {
    const auto views = read_tasks(of.id());
    tasks_by_id known;
    for (const auto& view : views) {
        known.emplace(view.id, &view);
    }
    std::map<std::uint64_t, any_task> handles;
    for (const auto& handle : all_tasks(of)) {
        handles.emplace(handle.id(), handle);
    }
    const auto graph = instrumentation::capture_await_graph(of);
    tasks_of_graph found;
    for (const auto& each : graph.tasks) {
        found.emplace(each.id, &each);
    }
    std::vector<blocked_task> tasks;
    tasks.reserve(views.size());
    for (const auto& view : views) {
        blocked_task task;
        task.view = view;
        task.waits_on = wait_text(view, known);
        const auto in_graph = found.find(view.id);
        if (in_graph != found.end()) {
            task.stack = in_graph->second->stack;
            task.awaits = ids_of(graph, in_graph->second->awaits);
            add_details(task, handles.at(view.id), known);
        }
        tasks.push_back(std::move(task));
    }
    return tasks;
}

std::string to_text(const blocked_task& task) {
    auto text = name_of(task.view) + " ";
    text += task.waits_on.empty() ? std::string("is ") + to_string(task.view.state) : task.waits_on;
    bool first = true;
    for (const auto& site : task.stack) {
        text += (first ? "\n      at " : "\n      awaited at ") + to_string(site);
        first = false;
    }
    return text + "\n      created at " + to_string(task.view.created_at);
}

std::string to_text(const std::vector<blocked_task>& tasks) {
    std::string text;
    const auto shown = std::min(tasks.size(), most_tasks);
    for (std::size_t i = 0; i < shown; ++i) {
        text += "\n    " + to_text(tasks[i]);
    }
    if (shown < tasks.size()) {
        text += "\n    and " + std::to_string(tasks.size() - shown) + " more";
    }
    return text;
}

namespace {

/// Follows awaited tasks depth first; each circle is found at the first of its tasks on the way.
class cycle_search {
public:
    explicit cycle_search(const std::vector<blocked_task>& tasks) {
        for (const auto& task : tasks) {
            tasks_.emplace(task.view.id, &task);
        }
    }

    [[nodiscard]] std::string text() {
        for (const auto& [id, task] : tasks_) {
            visit(id);
        }
        return std::move(text_);
    }

private:
    enum class mark : std::uint8_t { fresh, on_path, left };
    struct place {
        std::uint64_t id;
        std::size_t next = 0;  ///< which of its awaited tasks comes next
    };

    /// A loop, not recursion: chains of tasks may be long.
    void visit(std::uint64_t start) {
        if (marks_[start] != mark::fresh) { return; }
        enter(start);
        while (!path_.empty()) {
            auto& [id, next] = path_.back();
            const auto& awaits = tasks_.at(id)->awaits;
            if (next == awaits.size()) {
                marks_[id] = mark::left;
                path_.pop_back();
                continue;
            }
            const auto target = awaits[next++];
            if (!tasks_.contains(target)) { continue; }
            if (marks_[target] == mark::on_path) { note_cycle(target); }
            if (marks_[target] == mark::fresh) { enter(target); }
        }
    }

    void enter(std::uint64_t id) {
        marks_[id] = mark::on_path;
        path_.push_back({id});
    }

    void note_cycle(std::uint64_t begin) {
        const auto first = std::ranges::find(path_, begin, &place::id);
        text_ += "\n    await cycle: ";
        for (auto each = first; each != path_.end(); ++each) {
            text_ += name_of(tasks_.at(each->id)->view) + " -> ";
        }
        text_ += name_of(tasks_.at(begin)->view);
    }

    std::map<std::uint64_t, const blocked_task*> tasks_;
    std::map<std::uint64_t, mark> marks_;
    std::vector<place> path_;
    std::string text_;
};

}  // namespace

std::string await_cycles(const std::vector<blocked_task>& tasks) {
    return cycle_search(tasks).text();
}

std::string dump_tasks(std::uint32_t loop_id) {
    const auto views = read_tasks(loop_id);
    tasks_by_id known;
    for (const auto& view : views) {
        known.emplace(view.id, &view);
    }
    std::vector<blocked_task> tasks;
    for (const auto& view : views) {
        blocked_task task;
        task.view = view;
        task.waits_on = wait_text(view, known);
        if (view.site.line() != 0) { task.stack.push_back(view.site); }
        tasks.push_back(std::move(task));
    }
    return to_text(tasks);
}

std::string seconds(duration d) {
    const auto count = d.count();
    auto fraction = std::to_string(std::abs(count % 1'000'000'000));
    fraction.insert(0, 9 - fraction.size(), '0');
    while (!fraction.empty() && fraction.back() == '0') {
        fraction.pop_back();
    }
    const auto* const sign = count < 0 ? "-" : "";
    return sign + std::to_string(std::abs(count / 1'000'000'000))
           + (fraction.empty() ? "" : "." + fraction) + " s";
}

std::string facts(duration virtual_time, std::uint64_t seed) {
    auto text = "virtual time: " + seconds(virtual_time) + "\nseed: " + std::to_string(seed);
    if (const auto replayed = variable("COROSCOPE_TEST_REPLAY"); !replayed.empty()) {
        text += "\nschedule: " + std::string(replayed);
    }
    return text;
}

std::string exception_text(const std::exception_ptr& exception) {
    if (exception == nullptr) { return "no exception"; }
    const auto* type = exception.__cxa_exception_type();
    int status = 0;
    const std::unique_ptr<char, decltype(&std::free)> name(
        abi::__cxa_demangle(type->name(), nullptr, nullptr, &status), &std::free);
    const std::string type_name = name != nullptr ? name.get() : type->name();
    try {
        std::rethrow_exception(exception);
    } catch (const std::exception& e) {
        return std::string(e.what()) + " (" + type_name + ")";
    } catch (...) { return "an exception of type " + type_name; }
}

}  // namespace coroscope::testkit::detail
