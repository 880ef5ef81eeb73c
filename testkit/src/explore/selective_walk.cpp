// SPDX-License-Identifier: Apache-2.0
#include "selective_walk.hpp"

#include "uniform_walk.hpp"

#include <algorithm>

namespace coroscope::testkit::detail {
namespace {

constexpr std::size_t most_lines = 32;  ///< that are counted; a program may have any number

}  // namespace

void selective_walk::begin(std::uint64_t seed) {
    random_strategy::begin(seed);
    for (auto& each : lines_) {
        each.counts.begin();
    }
    uses_.begin();
    const auto choices = uses_.things() > 0 ? uses_.things() : lines_.size();
    selected_ = choices == 0 ? 0 : random().below(choices);
    has_intended_ = false;
}

selective_walk::line* selective_walk::find(const await_site& at) noexcept {
    const auto found =
        std::ranges::find_if(lines_, [&](const line& l) { return is_same_place(l.at, at); });
    return found != lines_.end() ? &*found : nullptr;
}

bool selective_walk::is_selected(const candidate& c) const noexcept {
    if (uses_.things() > 0) { return uses_.uses(uses_.next(c.agent), selected_); }
    return selected_ < lines_.size() && is_same_place(lines_[selected_].at, c.at);
}

void selective_walk::choose_intended(std::span<const candidate> ready) {
    const auto index = choose_weighted(ready, random(), [&](const candidate& c) {
        return uses_.things() > 0 ? uses_.left(c.agent, selected_)
                                  : lines_[selected_].counts.left(c.agent);
    });
    intended_ = ready[index].agent;
    has_intended_ = true;
}

std::size_t selective_walk::decide(std::span<const candidate> ready) {
    if (lines_.empty()) { return random().below(ready.size()); }
    if (!has_intended_) { choose_intended(ready); }
    eligible_.clear();
    for (std::size_t i = 0; i < ready.size(); ++i) {
        if (!is_selected(ready[i]) || ready[i].agent == intended_) { eligible_.push_back(i); }
    }
    if (eligible_.empty()) {  // whose turn it is waits for one of these
        choose_intended(ready);
        const auto turn = std::ranges::find(ready, intended_, &candidate::agent);
        return static_cast<std::size_t>(turn - ready.begin());
    }
    return eligible_[random().below(eligible_.size())];
}

void selective_walk::on_created(agent_index made, agent_index by) {
    uses_.on_created(made, by);
    for (auto& each : lines_) {
        each.counts.on_created(made, by);
    }
}

void selective_walk::on_step(const candidate& runs) {
    if (is_selected(runs)) { has_intended_ = false; }
    uses_.on_step(runs.agent);
    auto* known = find(runs.at);
    if (known == nullptr && lines_.size() < most_lines) {
        lines_.push_back({runs.at, {}});  // counted from the next execution on
    } else if (known != nullptr) {
        known->counts.on_step(runs.agent);
    }
}

void selective_walk::end(const execution_summary& summary) {
    if (summary.was_cut || summary.failed) { return; }
    uses_.learn();
    for (auto& each : lines_) {
        each.counts.learn();
    }
}

}  // namespace coroscope::testkit::detail
