// SPDX-License-Identifier: Apache-2.0
#include "priority_schedule.hpp"

#include <algorithm>

namespace coroscope::testkit::detail {

void priority_schedule::begin(std::uint64_t seed) {
    random_strategy::begin(seed);
    std::ranges::fill(priorities_, 0);
    decision_ = 0;
    next_change_ = 0;
    changes_.clear();
    if (most_decisions_ == 0) { return; }
    // One place more than changes: were there one at each, no execution might ever go on for
    // longer, and show that there are more places.
    const auto places = std::max<std::uint64_t>(most_decisions_, depth_);
    while (changes_.size() < depth_ - 1) {
        const auto place = random().below(places);
        if (std::ranges::find(changes_, place) == changes_.end()) { changes_.push_back(place); }
    }
    std::ranges::sort(changes_);
}

std::uint64_t& priority_schedule::priority(agent_index of) {
    if (of >= priorities_.size()) { priorities_.resize(of + 1, 0); }
    auto& mine = priorities_[of];
    // Above all that a change leaves.
    if (mine == 0) { mine = random().next() | (std::uint64_t{1} << 63U); }
    return mine;
}

std::size_t priority_schedule::highest(std::span<const candidate> ready) {
    const auto best = std::ranges::max_element(
        ready, {}, [this](const candidate& c) { return priority(c.agent); });
    return static_cast<std::size_t>(best - ready.begin());
}

std::size_t priority_schedule::decide(std::span<const candidate> ready) {
    auto index = highest(ready);
    if (next_change_ < changes_.size() && changes_[next_change_] == decision_) {
        // Those that are lowered later lie lower.
        priority(ready[index].agent) = changes_.size() - next_change_;
        ++next_change_;
        index = highest(ready);
    }
    ++decision_;
    return index;
}

void priority_schedule::end(const execution_summary& summary) {
    most_decisions_ = std::max(most_decisions_, summary.decisions);
}

}  // namespace coroscope::testkit::detail
