// SPDX-License-Identifier: Apache-2.0
#include "step_positions.hpp"

#include "random_source.hpp"

#include <algorithm>

namespace coroscope::testkit::detail {

step_positions::step_positions(const agent_tree& agents, const std::vector<step_trace>& trace) {
    std::unordered_map<agent_index, std::uint32_t> taken;
    for (std::size_t i = 0; i < trace.size(); ++i) {
        const auto agent = trace[i].agent;
        positions_.emplace(derived_seed(agents.hash(agent), taken[agent]++), i);
    }
}

std::size_t step_positions::position_of(const std::string& path, std::uint32_t number) const {
    const auto found = positions_.find(derived_seed(hash_of_path(path).value_or(0), number));
    return found != positions_.end() ? found->second : nowhere;
}

bool step_positions::have_kept(const schedule& holds) const {
    return std::ranges::all_of(holds.holds, [this](const hold& each) {
        const auto passed = position_of(each.until, each.passed);
        return passed != nowhere && passed < position_of(each.agent, each.await);
    });
}

}  // namespace coroscope::testkit::detail
