// SPDX-License-Identifier: Apache-2.0
#include "source_dpor.hpp"

#include "random_source.hpp"

#include <coroscope/runtime/await_site.hpp>

#include <algorithm>
#include <string_view>

namespace coroscope::testkit::detail {
namespace {

[[nodiscard]] bool contains(const std::vector<agent_index>& all, agent_index one) {
    return std::ranges::find(all, one) != all.end();
}

/// How many steps are kept in mind, to notice what nobody reports.
constexpr std::size_t most_known = 1'000'000;

[[nodiscard]] std::uint64_t hash_of(const await_site& at) noexcept {
    std::uint64_t hash = at.line();
    for (const char c : std::string_view(at.file_name())) {
        hash = hash * 31 + static_cast<unsigned char>(c);
    }
    return hash;
}

}  // namespace

void source_dpor::begin(std::uint64_t) {
    depth_ = 0;
    ready_.clear();
    plan_.clear();
    is_blocked_ = false;
    if (path_.empty()) { return; }
    const auto& plans = path_.back().plans;
    const auto found =
        std::ranges::find(plans, path_.back().runs, &std::pair<agent_index, agent_list>::first);
    if (found != plans.end()) { plan_ = found->second; }
}

// --- While it runs

std::size_t source_dpor::decide(std::span<const candidate> ready) {
    ready_.clear();
    for (const auto& each : ready) {
        ready_.push_back(each.agent);
    }
    if (is_blocked_) { return 0; }
    if (depth_ == path_.size()) {
        place at;
        at.ready = ready_;
        enter(at);
        if (is_blocked_) { return 0; }
    }
    const auto found = std::ranges::find(ready_, path_[depth_].runs);
    if (found != ready_.end()) { return static_cast<std::size_t>(found - ready_.begin()); }
    diverged_ = true;
    is_blocked_ = true;
    return 0;
}

/// A place that was never reached before.
void source_dpor::enter(place& at) {
    if (depth_ > 0) { at.sleeping = still_asleep(); }
    at.runs = choose(at);
    if (at.runs == agent_tree::outside) {
        is_blocked_ = true;
        return;
    }
    at.planned.push_back(at.runs);
    path_.push_back(std::move(at));
}

/// Of those that were asleep when the last step was taken, whom it has not woken.
std::vector<source_dpor::sleeper> source_dpor::still_asleep() const {
    const auto& before = path_[depth_ - 1];
    const auto& taken = order()->step(depth_ - 1);
    const auto is_woken = [&](const sleeper& s) {
        return s.is_global || std::ranges::any_of(s.uses, [&](const thing_use& theirs) {
                   return std::ranges::any_of(taken.uses, [&](const thing_use& now) {
                       return do_conflict(theirs.mode, now.mode)
                              && may_be_same(theirs.name, now.name, s.base);
                   });
               });
    };
    auto left = before.sleeping;
    std::erase_if(left, is_woken);
    return left;
}

agent_index source_dpor::choose(const place& at) {
    const auto is_free = [&](agent_index agent) {
        return std::ranges::find(at.sleeping, agent, &sleeper::agent) == at.sleeping.end();
    };
    if (!plan_.empty()) {
        const auto next = plan_.back();
        plan_.pop_back();
        if (contains(at.ready, next) && is_free(next)) { return next; }
        plan_.clear();
    }
    const auto found = std::ranges::find_if(at.ready, is_free);
    return found != at.ready.end() ? *found : agent_tree::outside;
}

void source_dpor::on_created(agent_index, agent_index by) {
    has_outsiders_ = has_outsiders_ || (by == agent_tree::outside && depth_ > 0);
}

void source_dpor::on_step(const candidate& runs) {
    fault_ = 0;
    if (is_blocked_) { return; }
    if (depth_ == path_.size()) {  // no decision
        place at;
        at.ready = {runs.agent};
        enter(at);
        if (is_blocked_) { return; }
    }
    diverged_ = diverged_ || path_[depth_].runs != runs.agent;
    is_blocked_ = diverged_;
    ++depth_;
}

bool source_dpor::decide_fault() {
    if (is_blocked_ || depth_ == 0) { return false; }
    auto& faults = path_[depth_ - 1].faults;
    if (fault_ == faults.size()) { faults.push_back(false); }
    return faults[fault_++];
}

// --- When it has ended

void source_dpor::end(const execution_summary& summary) {
    was_cut_ = was_cut_ || summary.was_cut;
    diverged_ = diverged_ || (depth_ < path_.size());
    path_.resize(depth_);
    order()->settle(depth_);
    keep_uses();
    plan_reversals();
    plan_vanished();
    look_for_unseen();
    exhausted_ = !step_back();
}

/// For those who sleep when the step was tried in full.
void source_dpor::keep_uses() {
    for (auto i = changed_; i < path_.size(); ++i) {
        const auto& uses = order()->step(i).uses;
        path_[i].uses.insert(path_[i].uses.end(), uses.begin(), uses.end());
        path_[i].is_global = path_[i].is_global || order()->step(i).is_global;
    }
}

void source_dpor::plan_reversals() {
    for (const auto& r : order()->races()) {
        if (r.later >= changed_) { plan_reversal(r); }
    }
}

/// All that happens after the earlier step of a race, and not because of it, and then the later
/// one: whoever can begin that has to be tried in the earlier one's place.
void source_dpor::plan_reversal(const execution_order::race& r) {
    const auto& orders = *order();
    std::vector<std::uint32_t> sequence;
    agent_list first;
    agent_list all;
    for (auto i = r.earlier + 1; i <= r.later; ++i) {
        const bool is_last = i == r.later;
        if (!is_last && orders.is_after(i, r.earlier)) { continue; }
        const auto agent = orders.step(i).agent;
        const bool begins = std::ranges::none_of(sequence, [&](std::uint32_t before) {
            return is_last ? orders.is_before_without(r, before) : orders.is_after(i, before);
        });
        if (begins) { first.push_back(agent); }
        sequence.push_back(i);
        all.push_back(agent);
    }
    auto& at = path_[r.earlier];
    const auto is_there = [&](agent_index agent) {
        return contains(at.planned, agent)
               || std::ranges::find(at.sleeping, agent, &sleeper::agent) != at.sleeping.end();
    };
    if (std::ranges::any_of(first, is_there)) { return; }
    const auto able =
        std::ranges::find_if(first, [&](agent_index agent) { return contains(at.ready, agent); });
    if (able != first.end()) {
        const auto chosen = *able;
        all.erase(std::ranges::find(all, chosen));
        std::ranges::reverse(all);
        plan(at, chosen, std::move(all));
        return;
    }
    for (const auto each : at.ready) {
        plan(at, each, {});
    }
}

/// A step was called off, or the end came before it: it could have come earlier.
void source_dpor::plan_vanished() {
    for (const auto& each : order()->all_vanished()) {
        if (each.step < path_.size() && contains(path_[each.step].ready, each.agent)) {
            plan(path_[each.step], each.agent, {});
        }
    }
    if (path_.empty() || !order()->step(path_.size() - 1).is_global) { return; }
    auto& last = path_.back();  // the body ended, and with it the execution
    for (const auto each : last.ready) {
        plan(last, each, {});
    }
}

void source_dpor::plan(place& at, agent_index agent, agent_list then) {
    if (contains(at.planned, agent)) { return; }
    at.planned.push_back(agent);
    if (!then.empty()) { at.plans.emplace_back(agent, std::move(then)); }
}

/// What comes before a step, and what it uses, says what it does: if it does something else, there
/// is something that nobody reports.
void source_dpor::look_for_unseen() {
    const auto& orders = *order();
    for (auto i = changed_; i < path_.size() && complaint_.empty(); ++i) {
        const auto& step = orders.step(i);
        const auto did = derived_seed(hash_of(step.at) ^ step.faults, step.made);
        if (known_.size() >= most_known) { return; }
        const auto [known, is_new] = known_.try_emplace(orders.event(i), did);
        if (is_new || known->second == did) { continue; }
        complaint_ =
            "un-annotated shared state: after the same history, step " + std::to_string(i)
            + (step.at.line() != 0 ? ", which goes on from " + to_string(step.at) : "")
            + ", is not what it was in an earlier execution. Its task depends on something that "
              "other tasks change and that the exploration does not see, so that orders may be "
              "left out; report its uses, or explore with another strategy";
    }
}

/// To the next execution. False: there is none.
bool source_dpor::step_back() {
    while (!path_.empty()) {
        auto& last = path_.back();
        changed_ = path_.size() - 1;
        while (!last.faults.empty() && last.faults.back()) {
            last.faults.pop_back();
        }
        if (!last.faults.empty()) {
            last.faults.back() = true;
            return true;
        }
        if (next_agent(last)) { return true; }
        path_.pop_back();
    }
    return false;
}

bool source_dpor::next_agent(place& at) {
    const auto base = static_cast<std::uint32_t>(path_.size());
    at.sleeping.push_back({at.runs, base, std::move(at.uses), at.is_global});
    at.uses.clear();
    at.is_global = false;
    const auto next = std::ranges::find_if(at.planned, [&](agent_index agent) {
        return std::ranges::find(at.sleeping, agent, &sleeper::agent) == at.sleeping.end();
    });
    if (next == at.planned.end()) { return false; }
    at.runs = *next;
    return true;
}

}  // namespace coroscope::testkit::detail
