// SPDX-License-Identifier: Apache-2.0
#include "hold_keeper.hpp"

#include "agent_tree.hpp"

#include <algorithm>

namespace coroscope::testkit::detail {

hold_keeper::hold_keeper(const std::vector<hold>& holds) {
    for (const auto& each : holds) {
        holds_.push_back({hash_of_path(each.agent).value_or(0), each.await,
                          hash_of_path(each.until).value_or(0), each.passed});
    }
}

std::uint32_t hold_keeper::steps_of(std::uint64_t agent) const noexcept {
    const auto found = steps_.find(agent);
    return found != steps_.end() ? found->second : 0;
}

/// After n steps an agent stands at its n-th await; after one more it has passed it.
bool hold_keeper::is_held(std::uint64_t agent) const noexcept {
    return std::ranges::any_of(holds_, [&](const known_hold& h) {
        return h.agent == agent && steps_of(agent) == h.await && steps_of(h.until) <= h.passed;
    });
}

}  // namespace coroscope::testkit::detail
