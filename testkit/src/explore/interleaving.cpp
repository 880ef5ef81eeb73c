// SPDX-License-Identifier: Apache-2.0
#include "interleaving.hpp"

#include "task_report.hpp"

#include <coroscope/runtime/observer.hpp>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

namespace coroscope::testkit::detail {
namespace {

/// Hears who was created, and who ended, in which step.
class task_listener final : public observer {
public:
    explicit task_listener(schedule_driver& driver) : driver_(driver) {}

    void on_task_created(const task_info& task) noexcept override {
        const auto made = driver_.task_agent(task.id);
        if (!task.name.empty()) { names_[made] = task.name; }
        if (driver_.steps() > 0) { created_.emplace(driver_.steps() - 1, made); }
    }
    void on_task_finished(const task_info& task, task_outcome outcome) noexcept override {
        if (driver_.is_in_body()) { ended_.emplace(driver_.task_agent(task.id), outcome); }
    }

    /// `0.2 (writer)`, or `0.2` where it has no name.
    [[nodiscard]] std::string label(agent_index of) const {
        const auto found = names_.find(of);
        auto text = driver_.agents().path(of);
        return found == names_.end() ? text : text + " (" + found->second + ")";
    }
    [[nodiscard]] std::string created_in(std::uint64_t step) const {
        std::string text;
        const auto [begin, end] = created_.equal_range(step);
        for (auto each = begin; each != end; ++each) {
            text += (text.empty() ? "; creates " : ", ") + label(each->second);
        }
        return text;
    }
    [[nodiscard]] bool has_ended(agent_index which) const { return ended_.contains(which); }
    /// What became of one that is not resumed any more.
    [[nodiscard]] const char* end_of(agent_index of) const {
        const auto found = ended_.find(of);
        if (found == ended_.end()) { return "to where it still waits"; }
        switch (found->second) {
        case task_outcome::result: return "to its end";
        case task_outcome::exception: return "to its end, with an exception";
        case task_outcome::cancelled: return "to its end, cancelled";
        }
        return "";
    }

private:
    schedule_driver& driver_;
    std::map<agent_index, std::string> names_;
    std::multimap<std::uint64_t, agent_index> created_;
    std::map<agent_index, task_outcome> ended_;
};

/// The file's name, without folders.
[[nodiscard]] std::string_view file(const await_site& at) {
    const std::string_view path = at.file_name();
    return path.substr(path.rfind('/') + 1);
}

/// `buy, shop.cpp:14`: the same with every compiler, which spell scopes differently.
[[nodiscard]] std::string place(const await_site& at) {
    const auto function = function_name(at);
    const auto scope = function.rfind("::");
    return function.substr(scope == std::string::npos ? 0 : scope + 2) + ", "
           + std::string(file(at)) + ":" + std::to_string(at.line());
}

/// `line 15` where that says it all.
[[nodiscard]] std::string place_after(const await_site& before, const await_site& at) {
    const bool is_near = before.line() != 0 && file(before) == file(at)
                         && function_name(before) == function_name(at);
    return is_near ? "line " + std::to_string(at.line()) : place(at);
}

/// Which steps are told.
[[nodiscard]] std::vector<bool> choose_steps(const schedule& decided, std::size_t count) {
    constexpr std::size_t around = 2;
    constexpr std::size_t last = 6;
    constexpr std::size_t most = 60;
    std::vector<bool> told(count, count <= most / 2);
    std::set<std::uint64_t> matter;
    for (const auto& each : decided.deviations) {
        matter.insert(each.step);
    }
    for (const auto& each : decided.faults) {
        matter.insert(each.step);
    }
    const auto tell = [&](std::uint64_t step, std::size_t radius) {
        const auto begin = step > radius ? step - radius : 0;
        for (auto i = begin; i < std::min<std::uint64_t>(step + radius + 1, count); ++i) {
            told[i] = true;
        }
    };
    const auto radius = matter.size() > most / (2 * around + 1) ? 0 : around;
    for (const auto step : matter) {
        tell(step, radius);
    }
    for (auto i = count - std::min(count, last); i < count; ++i) {
        told[i] = true;
    }
    // Too many even so: the first and the last of them.
    auto left = static_cast<std::size_t>(std::ranges::count(told, true));
    std::size_t seen = 0;
    for (std::size_t i = 0; i < count && left > most; ++i) {
        if (told[i] && ++seen > most / 2) {
            told[i] = false;
            --left;
        }
    }
    return told;
}

/// Lays out the steps of one execution.
class interleaving_table {
public:
    interleaving_table(const scheduled_run& run, const schedule_driver& driver,
                       const task_listener& tasks)
        : run_(run),
          agents_(driver.agents()),
          tasks_(tasks),
          told_(choose_steps(run.decided, driver.steps_of_body())) {
        std::map<agent_index, std::size_t> next_of;
        next_.resize(run.trace.size(), none);
        for (std::size_t i = run.trace.size(); i-- > 0;) {
            const auto [known, is_last] = next_of.try_emplace(run.trace[i].agent, i);
            if (!is_last) { next_[i] = std::exchange(known->second, i); }
        }
    }

    [[nodiscard]] std::string text() {
        rows_.push_back({"step", "time", "task", "what happened"});
        std::size_t left_out = 0;
        bool are_default = true;
        for (std::size_t i = 0; i <= told_.size(); ++i) {
            if (i < told_.size() && !told_[i]) {
                ++left_out;
                are_default = are_default && !is_deviation(i);
                continue;
            }
            if (left_out > 0) { add_gap(std::exchange(left_out, 0), are_default); }
            are_default = true;
            if (i < told_.size()) { add_step(i); }
        }
        return laid_out();
    }

private:
    static constexpr std::size_t none = ~std::size_t{0};

    struct row {
        std::string step, time, task, what;
    };

    [[nodiscard]] bool is_deviation(std::size_t step) const {
        const auto& all = run_.decided.deviations;
        return std::ranges::find(all, step, &deviation::step) != all.end();
    }

    void add_gap(std::size_t steps, bool are_default) {
        rows_.push_back({"", "", "",
                         "... " + std::to_string(steps) + (steps == 1 ? " step" : " steps")
                             + (are_default ? " as by default" : "")});
    }

    void add_step(std::size_t i) {
        const auto& step = run_.trace[i];
        rows_.push_back({(is_deviation(i) ? "* " : "") + std::to_string(i),
                         seconds(step.when.time_since_epoch()), tasks_.label(step.agent),
                         what(i) + tasks_.created_in(i) + faults(i)});
    }

    [[nodiscard]] std::string what(std::size_t i) const {
        const auto& step = run_.trace[i];
        if (!agents_.is_task(step.agent)) {
            if (step.is_early) { return "the time limit of " + place(step.at) + " is up early"; }
            return step.at.line() != 0 ? "the callback that was posted in " + place(step.at)
                                       : "a callback";
        }
        const auto from =
            (step.is_early ? std::string("woken early, ") : std::string())
            + (step.at.line() != 0 ? "from " + place(step.at) + " " : "begins, runs ");
        const auto next = next_[i];
        const bool is_resumed = next < told_.size();
        if (!is_resumed && (next == none || tasks_.has_ended(step.agent))) {
            return from + tasks_.end_of(step.agent);
        }
        return from + "to " + place_after(step.at, run_.trace[next].at)
               + (is_resumed ? "" : ", where it still waits");
    }

    [[nodiscard]] std::string faults(std::size_t i) const {
        std::string text;
        for (const auto& each : run_.decided.faults) {
            if (each.step == i) {
                text += "; its fault point number " + std::to_string(each.number) + " fails";
            }
        }
        return text;
    }

    [[nodiscard]] std::string laid_out() const {
        const auto width = [&](std::string row::*column) {
            std::size_t most = 0;
            for (const auto& each : rows_) {
                most = std::max(most, (each.*column).size());
            }
            return most;
        };
        const auto step = width(&row::step);
        const auto time = width(&row::time);
        const auto task = width(&row::task);
        std::string text = "\nwhat happens (* marks what is not first in, first out):";
        for (const auto& each : rows_) {
            text += "\n  " + std::string(step - each.step.size(), ' ') + each.step + "  "
                    + std::string(time - each.time.size(), ' ') + each.time + "  " + each.task
                    + std::string(task - each.task.size(), ' ') + "  " + each.what;
        }
        return text;
    }

    const scheduled_run& run_;
    const agent_tree& agents_;
    const task_listener& tasks_;
    std::vector<bool> told_;
    std::vector<std::size_t> next_;  ///< the agent's next step
    std::vector<row> rows_;
};

}  // namespace

told_interleaving tell_interleaving(explored_environment& in, const explored_test& test,
                                    const schedule& to_follow) {
    told_interleaving told;
    task_listener tasks(in.driver());
    auto heard = test;
    heard.body = [&] {
        this_test().loop().add_observer(tasks);
        return test.body();
    };
    auto run = run_schedule(in, heard, to_follow);
    told.table = interleaving_table(run, in.driver(), tasks).text();
    told.result = std::move(run.result);
    if (auto* kept = in.kept_loop(); kept != nullptr) { kept->remove_observer(tasks); }
    return told;
}

}  // namespace coroscope::testkit::detail
