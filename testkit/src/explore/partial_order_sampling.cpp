// SPDX-License-Identifier: Apache-2.0
#include "partial_order_sampling.hpp"

#include <algorithm>

namespace coroscope::testkit::detail {

void partial_order_sampling::begin(std::uint64_t seed) {
    random_strategy::begin(seed);
    uses_.begin();
    std::ranges::fill(priorities_, 0);
    waiting_.clear();
}

std::uint64_t& partial_order_sampling::priority(agent_index of) {
    if (of >= priorities_.size()) { priorities_.resize(of + 1, 0); }
    return priorities_[of];
}

std::size_t partial_order_sampling::decide(std::span<const candidate> ready) {
    std::size_t best = 0;
    std::uint64_t highest = 0;
    for (std::size_t i = 0; i < ready.size(); ++i) {
        auto& mine = priority(ready[i].agent);
        if (mine == 0) { mine = random().next() | 1U; }
        if (mine > highest) {
            highest = mine;
            best = i;
        }
    }
    waiting_.assign(ready.begin(), ready.end());
    return best;
}

void partial_order_sampling::on_step(const candidate& runs) {
    priority(runs.agent) = 0;
    const auto step = uses_.next(runs.agent);
    for (const auto& each : waiting_) {
        const bool do_conflict = uses_.things() > 0
                                     ? uses_.do_conflict(step, uses_.next(each.agent))
                                     : is_same_place(each.at, runs.at);
        if (do_conflict) { priority(each.agent) = 0; }
    }
    waiting_.clear();
    uses_.on_step(runs.agent);
}

void partial_order_sampling::end(const execution_summary& summary) {
    if (!summary.was_cut && !summary.failed) { uses_.learn(); }
}

}  // namespace coroscope::testkit::detail
