// SPDX-License-Identifier: Apache-2.0
#include "agent_tree.hpp"

#include "random_source.hpp"

#include <charconv>

namespace coroscope::testkit::detail {
namespace {

[[nodiscard]] std::uint64_t hash_below(std::uint64_t creator, bool is_task,
                                       std::uint32_t number) noexcept {
    return derived_seed(creator + (is_task ? 1 : 2), number);
}

struct step_down {
    bool is_task = true;
    std::uint32_t number = 0;
};

/// Takes one component off the front of a path; empty if there is none.
[[nodiscard]] std::optional<step_down> take_step(std::string_view& rest, bool is_first) noexcept {
    step_down step;
    if (!rest.empty() && rest.front() == 'c') {
        step.is_task = false;
        rest.remove_prefix(1);
    } else if (!is_first) {
        if (rest.empty() || rest.front() != '.') { return {}; }
        rest.remove_prefix(1);
    }
    const auto parsed = std::from_chars(rest.data(), rest.data() + rest.size(), step.number);
    if (parsed.ec != std::errc()) { return {}; }
    rest.remove_prefix(static_cast<std::size_t>(parsed.ptr - rest.data()));
    return step;
}

}  // namespace

agent_tree::agent_tree() {
    nodes_.emplace_back();
    nodes_.front().is_task = false;
    made(outside, true, 0);
}

agent_index agent_tree::add(agent_index by, bool is_task) {
    auto& parent = nodes_[by];
    if (parent.execution != execution_) {
        parent.execution = execution_;
        parent.tasks = 0;
        parent.callbacks = 0;
    }
    const auto number = is_task ? parent.tasks++ : parent.callbacks++;
    const auto& known = is_task ? parent.made_tasks : parent.made_callbacks;
    return number < known.size() ? known[number] : made(by, is_task, number);
}

agent_index agent_tree::made(agent_index by, bool is_task, std::uint32_t number) {
    const auto children = [&]() -> std::vector<agent_index>& {
        return is_task ? nodes_[by].made_tasks : nodes_[by].made_callbacks;
    };
    while (children().size() <= number) {
        node child;
        child.by = by;
        child.number = static_cast<std::uint32_t>(children().size());
        child.is_task = is_task;
        child.hash = hash_below(nodes_[by].hash, is_task, child.number);
        nodes_.push_back(std::move(child));
        children().push_back(static_cast<agent_index>(nodes_.size() - 1));
    }
    return children()[number];
}

std::string agent_tree::path(agent_index of) const {
    std::string text;
    for (auto each = of; each != outside; each = nodes_[each].by) {
        const auto& n = nodes_[each];
        const char* separator = !n.is_task ? "c" : n.by == outside ? "" : ".";
        text.insert(0, separator + std::to_string(n.number));
    }
    return text;
}

std::string describe_agent(const agent_tree& agents, agent_index which) {
    return (agents.is_task(which) ? "task " : "callback ") + agents.path(which);
}

std::optional<std::uint64_t> hash_of_path(std::string_view text) noexcept {
    std::uint64_t hash = 0;
    bool is_first = true;
    while (is_first || !text.empty()) {
        const auto step = take_step(text, is_first);
        if (!step.has_value()) { return {}; }
        hash = hash_below(hash, step->is_task, step->number);
        is_first = false;
    }
    return hash;
}

}  // namespace coroscope::testkit::detail
