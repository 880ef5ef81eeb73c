// SPDX-License-Identifier: Apache-2.0
#include "learned_uses.hpp"

#include <algorithm>

namespace coroscope::testkit::detail {
namespace {

constexpr std::uint64_t first_few = 4;
constexpr std::uint64_t now_and_then = 16;

}  // namespace

void learned_uses::begin() {
    is_learning_ = execution_ < first_few || execution_ % now_and_then == 0;
    ++execution_;
    seen_.clear();
    std::ranges::fill(steps_, 0);
    current_ = {};
}

void learned_uses::on_created(agent_index made, agent_index by) {
    if (made >= created_.size()) {
        created_.resize(made + 1, 0);
        creators_.resize(made + 1, agent_tree::outside);
    }
    created_[made] = execution_;
    creators_[made] = by;
}

bool learned_uses::is_created(agent_index agent) const noexcept {
    return agent < created_.size() && created_[agent] == execution_;
}

void learned_uses::on_step(agent_index runs) {
    if (runs >= steps_.size()) { steps_.resize(runs + 1, 0); }
    current_ = {runs, steps_[runs]++};
}

void learned_uses::on_use(const coroscope::detail::access& made) {
    if (made.bytes == 0) { return; }
    const bool changes = made.kind == coroscope::detail::access_kind::write;
    if (!seen_.empty()) {  // the same again
        auto& last = seen_.back();
        if (last.begin == made.object && last.step == current_) {
            last.changes = last.changes || changes;
            return;
        }
    }
    seen_.push_back({made.object, current_, changes});
}

void learned_uses::learn() {
    if (!is_learning_ || seen_.empty()) { return; }
    known_.clear();
    users_.clear();
    struct thing {
        agent_index first;
        bool is_shared = false;
        bool is_changed = false;
        std::size_t number = 0;
    };
    std::unordered_map<const void*, thing> things;
    for (const auto& each : seen_) {
        auto& of = things.try_emplace(each.begin, thing{each.step.agent}).first->second;
        of.is_shared = of.is_shared || of.first != each.step.agent;
        of.is_changed = of.is_changed || each.changes;
    }
    for (const auto& each : seen_) {  // numbered as they come: addresses are different each time
        auto& of = things.at(each.begin);
        if (!of.is_shared || !of.is_changed) { continue; }
        if (of.number == 0) {
            users_.emplace_back();
            of.number = users_.size();
        }
        auto& users = users_[of.number - 1];
        if (users.empty() || users.back() != each.step) { users.push_back(each.step); }
        known_[each.step].push_back({of.number - 1, each.changes});
    }
}

step_key learned_uses::next(agent_index of) const noexcept {
    return {of, of < steps_.size() ? steps_[of] : 0};
}

bool learned_uses::uses(step_key step, std::size_t thing) const noexcept {
    const auto known = known_.find(step);
    return known != known_.end()
           && std::ranges::find(known->second, thing, &use::thing) != known->second.end();
}

bool learned_uses::do_conflict(step_key a, step_key b) const noexcept {
    const auto first = known_.find(a);
    const auto second = known_.find(b);
    if (first == known_.end() || second == known_.end()) { return false; }
    return std::ranges::any_of(first->second, [&](const use& one) {
        return std::ranges::any_of(second->second, [&](const use& other) {
            return one.thing == other.thing && (one.changes || other.changes);
        });
    });
}

std::uint64_t learned_uses::left(agent_index of, std::size_t thing) const noexcept {
    return static_cast<std::uint64_t>(std::ranges::count_if(users_[thing], [&](step_key step) {
        if (is_created(step.agent)) { return step.agent == of && step.number >= next(of).number; }
        auto by = step.agent;  // of it, or of whoever will have created it
        while (by != agent_tree::outside && !is_created(by)) {
            by = by < creators_.size() ? creators_[by] : agent_tree::outside;
        }
        return by == of;
    }));
}

}  // namespace coroscope::testkit::detail
