// SPDX-License-Identifier: Apache-2.0
#include "directed_holds.hpp"

#include <algorithm>
#include <utility>

namespace coroscope::testkit::detail {

std::string directed_holds::name() const {
    return turn_ == 0 ? "first in, first out" : "directed holds";
}

void directed_holds::begin(std::uint64_t seed) {
    if (is_recorded_) { ++turn_; }
    current_.emplace(turn_ > 0 ? candidates_[turn_ - 1] : schedule());
    current_->set_agents(agents());
    current_->begin(seed);
}

void directed_holds::end(const execution_summary& summary) {
    current_->end(summary);
}

void directed_holds::on_recorded(const path_of_task& paths) {
    if (std::exchange(is_recorded_, true)) { return; }
    for (const auto& wanted : source_(paths)) {
        schedule made;
        for (const auto& each : wanted) {
            made.holds.push_back(
                {each.held.agent, each.held.await, each.until.agent, each.until.await});
        }
        if (std::ranges::find(candidates_, made) == candidates_.end()) {
            candidates_.push_back(std::move(made));
        }
    }
}

/// The holds are the witness, and say what went wrong; what they led to would be harder to read.
std::optional<schedule> directed_holds::followed() const {
    if (turn_ == 0) { return {}; }
    return candidates_[turn_ - 1];
}

}  // namespace coroscope::testkit::detail
