// SPDX-License-Identifier: Apache-2.0
#include "replay_strategy.hpp"

#include <algorithm>
#include <utility>

namespace coroscope::testkit::detail {

replay_strategy::replay_strategy(schedule to_follow)
    : schedule_(std::move(to_follow)),
      holds_(schedule_.holds) {
    for (const auto& each : schedule_.deviations) {
        hashes_.push_back(hash_of_path(each.agent).value_or(0));
    }
}

void replay_strategy::begin(std::uint64_t) {
    holds_.begin();
    next_deviation_ = 0;
    next_fault_ = 0;
    step_ = 0;
    faults_in_step_ = 0;
    divergence_.clear();
}

void replay_strategy::diverge(std::uint64_t step, const std::string& why) {
    if (!divergence_.empty()) { return; }
    divergence_ = "schedule no longer valid at step " + std::to_string(step) + ": " + why;
}

std::size_t replay_strategy::first_not_held(std::span<const candidate> ready) {
    if (holds_.empty()) { return 0; }
    const auto found = std::ranges::find_if(ready, [this](const candidate& c) {
        return !c.is_early && !holds_.hold_back(agents()->hash(c.agent));
    });
    return found != ready.end() ? static_cast<std::size_t>(found - ready.begin()) : 0;
}

std::size_t replay_strategy::decide(std::span<const candidate> ready) {
    const auto& all = schedule_.deviations;
    const bool is_for_time = ready.front().agent == agent_tree::outside;
    if (next_deviation_ == all.size() || all[next_deviation_].step != step_
        || all[next_deviation_].in_place_of_time != is_for_time) {
        return first_not_held(ready);
    }
    const auto wanted = hashes_[next_deviation_];
    for (std::size_t i = 0; i < ready.size(); ++i) {
        if (agents()->hash(ready[i].agent) == wanted) {
            ++next_deviation_;
            return i;
        }
    }
    std::string those;
    for (const auto& each : ready) {
        those += (those.empty() ? "" : ", ") + agents()->path(each.agent);
    }
    diverge(step_, "task " + all[next_deviation_].agent + " is not ready; ready are " + those);
    ++next_deviation_;
    return 0;
}

bool replay_strategy::decide_fault() {
    const auto number = faults_in_step_++;
    const auto step = step_ - 1;  // the one that runs is counted already
    const auto& all = schedule_.faults;
    const bool fails = next_fault_ < all.size() && all[next_fault_] == fault{step, number};
    next_fault_ += fails ? 1U : 0U;
    return fails;
}

void replay_strategy::on_step(const candidate& runs) {
    const auto& all = schedule_.deviations;
    if (next_deviation_ < all.size() && all[next_deviation_].step <= step_) {
        diverge(step_, "only task " + agents()->path(runs.agent) + " is ready, and not "
                           + all[next_deviation_].agent);
        ++next_deviation_;
    }
    const auto& faults = schedule_.faults;
    while (next_fault_ < faults.size() && faults[next_fault_].step < step_) {
        diverge(faults[next_fault_].step, "it reaches fewer fault points");
        ++next_fault_;
    }
    holds_.on_step(agents()->hash(runs.agent));
    ++step_;
    faults_in_step_ = 0;
}

void replay_strategy::end(const execution_summary&) {
    exhausted_ = true;
    if (next_deviation_ < schedule_.deviations.size()) {
        const auto& missing = schedule_.deviations[next_deviation_];
        diverge(missing.step, "the test has ended before it, at step " + std::to_string(step_));
    } else if (next_fault_ < schedule_.faults.size()) {
        diverge(schedule_.faults[next_fault_].step, "it reaches fewer fault points");
    }
}

}  // namespace coroscope::testkit::detail
