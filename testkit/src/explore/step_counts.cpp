// SPDX-License-Identifier: Apache-2.0
#include "step_counts.hpp"

#include <algorithm>
#include <cmath>

namespace coroscope::testkit::detail {

step_counts::count& step_counts::at(agent_index agent) {
    if (agent >= counts_.size()) { counts_.resize(agent + 1); }
    auto& known = counts_[agent];
    if (known.execution != execution_) {
        known.execution = execution_;
        known.steps = 0;
        known.left = std::llround(known.with_children);
        seen_.push_back(agent);
    }
    return known;
}

void step_counts::on_created(agent_index made, agent_index by) {
    at(by);  // first, since it may be the first that is seen of it
    auto& child = at(made);
    child.by = by;
    counts_[by].left -= child.left;
}

void step_counts::on_step(agent_index runs) {
    auto& agent = at(runs);
    ++agent.steps;
    --agent.left;
}

void step_counts::learn() {
    for (const auto each : seen_) {
        auto& agent = counts_[each];
        ++agent.executions;
        agent.mean += (agent.steps - agent.mean) / agent.executions;
        agent.with_children = agent.mean;
    }
    for (auto each = seen_.rbegin(); each != seen_.rend(); ++each) {  // children first
        const auto& agent = counts_[*each];
        if (*each != agent_tree::outside) {
            counts_[agent.by].with_children += agent.with_children;
        }
    }
    seen_.clear();
    ++learned_from_;
}

std::uint64_t step_counts::left(agent_index of) const noexcept {
    if (of >= counts_.size() || counts_[of].execution != execution_) { return 0; }
    return static_cast<std::uint64_t>(std::max<std::int64_t>(counts_[of].left, 0));
}

}  // namespace coroscope::testkit::detail
