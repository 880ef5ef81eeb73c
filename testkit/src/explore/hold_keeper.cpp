// SPDX-License-Identifier: Apache-2.0
#include "hold_keeper.hpp"

#include "agent_tree.hpp"

#include <algorithm>

namespace coroscope::testkit::detail {

hold_keeper::hold_keeper(const std::vector<hold>& holds) {
    for (const auto& each : holds) {
        known_hold made{};
        made.agent = hash_of_path(each.agent).value_or(0);
        made.await = each.await;
        made.until = hash_of_path(each.until).value_or(0);
        made.passed = each.passed;
        holds_.push_back(made);
    }
}

std::uint32_t hold_keeper::steps_of(std::uint64_t agent) const noexcept {
    const auto found = steps_.find(agent);
    return found != steps_.end() ? found->second : 0;
}

void hold_keeper::begin() noexcept {
    steps_.clear();
    for (auto& each : holds_) {
        each.holds_back = false;
        each.patience = most_patience;
    }
}

void hold_keeper::on_step(std::uint64_t agent) {
    if (holds_.empty()) { return; }
    ++steps_[agent];
    for (auto& each : holds_) {
        if (each.until == agent && each.patience > 0) { each.patience = most_patience; }
        if (each.holds_back && each.until != agent && each.patience > 0) { --each.patience; }
        each.holds_back = false;
    }
}

/// After n steps an agent stands at its n-th await; after one more it has passed it.
bool hold_keeper::hold_back(std::uint64_t agent) noexcept {
    bool is_held = false;
    for (auto& each : holds_) {
        each.holds_back = each.holds_back
                          || (each.agent == agent && steps_of(agent) == each.await
                              && steps_of(each.until) <= each.passed && each.patience > 0);
        is_held = is_held || (each.agent == agent && each.holds_back);
    }
    return is_held;
}

}  // namespace coroscope::testkit::detail
