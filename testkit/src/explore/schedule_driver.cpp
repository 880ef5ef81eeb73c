// SPDX-License-Identifier: Apache-2.0
#include "schedule_driver.hpp"

#include "random_source.hpp"

#include <coroscope/runtime/coro.hpp>

#include <algorithm>
#include <limits>

namespace coroscope::testkit::detail {
namespace {

void mix(std::uint64_t& hash, std::uint64_t value) noexcept {
    hash = (hash ^ value) * 0x9e3779b97f4a7c15U;
    hash ^= hash >> 32U;
}

}  // namespace

void schedule_driver::begin(search_strategy& strategy, std::uint64_t seed, std::uint64_t max_steps,
                            const clock& time) {
    strategy_ = &strategy;
    time_ = &time;
    max_steps_ = max_steps;
    most_left_ = 2 * max_steps;
    agents_.restart();
    tasks_.assign(1, agent_tree::outside);
    callbacks_.assign(1, agent_tree::outside);
    deviations_.clear();
    faults_.clear();
    faults_in_step_ = 0;
    early_ = most_early_;
    has_ended_limits_ = false;
    asked_for_time_at_ = 0;
    woken_early_ = agent_tree::outside;
    summary_ = {};
    hash_ = 0;
    if (trace_ != nullptr) { trace_->clear(); }
    forget_background();
    decides_ = true;
    is_in_body_ = true;
    strategy.set_agents(&agents_);
    strategy.begin(seed);
    is_ordered_ = strategy.wants_order() || counts_classes_;
    is_settled_ = strategy.wants_settled_order() || counts_classes_;
    is_used_ = strategy.wants_uses();
    instant_ = time.now();
    if (is_ordered_) { order_.begin(agents_); }
    strategy.set_order(&order_);
}

void schedule_driver::end(bool failed) {
    end_body();
    summary_.failed = failed;
    if (is_settled_) { order_.settle(order_.size()); }
    strategy_->end(summary_);
}

void schedule_driver::restart_count(std::uint64_t most_steps) noexcept {
    most_left_ = summary_.steps + most_steps;
}

agent_index& schedule_driver::index_of(const agent& what) {
    auto& known = what.is_task ? tasks_ : callbacks_;
    if (what.id >= known.size()) { known.resize(what.id + 1, agent_tree::outside); }
    return known[what.id];
}

void schedule_driver::on_created(const agent& what, const agent& by) noexcept {
    const auto creator = index_of(by);
    const auto made = agents_.add(creator, what.is_task);
    index_of(what) = made;
    if (what.is_task && by.is_task && is_background(by.id)) { mark_background(what.id); }
    if (!is_in_body_) { return; }
    if (is_ordered_) { order_.on_created(made, creator); }
    strategy_->on_created(made, creator);
}

// --- Uses

schedule_driver::listening::listening(schedule_driver& driver) noexcept : driver_(driver) {
    driver_.outer_ = coroscope::detail::access_listener;
    if (!driver_.is_ordered_ && !driver_.is_used_) { return; }
    coroscope::detail::access_listener = &driver_;
    coroscope::detail::frames_are_watched = driver_.is_ordered_;  // the body's comes before the run
}

schedule_driver::listening::~listening() {
    if (!driver_.is_ordered_ && !driver_.is_used_) { return; }
    coroscope::detail::access_listener = driver_.outer_;
    coroscope::detail::frames_are_watched = false;
}

// What is allocated and freed in here is nobody's: to be told of it would change what is being
// changed.
void schedule_driver::on_access(const coroscope::detail::access& made) noexcept {
    const coroscope::detail::own_accesses inside;
    if (outer_ != nullptr) { outer_->on_access(made); }
    if (!decides_) { return; }
    if (is_ordered_) { order_.on_access(made); }
    if (is_used_) { strategy_->on_use(made); }
}

void schedule_driver::on_end_of_life(const void* begin, std::size_t bytes) noexcept {
    const coroscope::detail::own_accesses inside;
    if (outer_ != nullptr) { outer_->on_end_of_life(begin, bytes); }
    if (!decides_ || !is_ordered_) { return; }
    order_.on_end_of_life(begin, bytes);
}

void schedule_driver::on_begin_of_life(const void* begin, std::size_t bytes) noexcept {
    const coroscope::detail::own_accesses inside;
    if (outer_ != nullptr) { outer_->on_begin_of_life(begin, bytes); }
    if (!decides_ || !is_ordered_) { return; }
    order_.on_begin_of_life(begin, bytes);
}

std::optional<std::uint64_t> schedule_driver::class_hash() const noexcept {
    if (!is_settled_ || summary_.was_cut || strategy_->tried_nothing_new()) { return {}; }
    return order_.class_hash();
}

// --- Steps

std::size_t schedule_driver::pick(std::span<const choice> ready) {
    note_ready(ready);
    look_for_end();
    if (decides_ && strategy_->holds_all(ready_)) {
        return std::numeric_limits<std::size_t>::max();
    }
    if (is_ordered_ && decides_) { note_offer(); }
    const auto index = decides_ && ready.size() > 1 ? decide() : 0;
    note_step(ready_[index], ready.size());
    return index;
}

void schedule_driver::note_offer() {
    const auto now = time_->now();
    if (now != instant_) { order_.on_time_moved(); }
    instant_ = now;
    order_.on_ready(ready_);
}

schedule_driver::wakes schedule_driver::allowed() const noexcept {
    return {decides_ && early_.conditions > 0, decides_ && early_.limits > 0};
}

std::optional<std::size_t> schedule_driver::pick_any(std::span<const choice> ready,
                                                     std::span<const early_choice> early) {
    if (ready.empty()) { return decide_in_place_of_time(early); }
    note_ready(ready);
    note_early(early);
    look_for_end();
    const auto index = decides_ ? decide() : 0;
    if (index >= ready.size()) { count_early(early[index - ready.size()]); }
    note_step(ready_[index], ready.size());
    return index;
}

/// Asked once between two steps, so that a schedule, which counts steps, says which answer is
/// meant.
std::optional<std::size_t> schedule_driver::decide_in_place_of_time(
    std::span<const early_choice> early) {
    if (asked_for_time_at_ == summary_.steps + 1) { return {}; }
    asked_for_time_at_ = summary_.steps + 1;
    ready_.assign(1, {agent_tree::outside, {}});
    note_early(early);
    const auto index = decide();
    if (index == 0) { return {}; }
    count_early(early[index - 1]);
    return index - 1;
}

void schedule_driver::count_early(const early_choice& woken) {
    woken_early_ = index_of({woken.id, woken.is_task});
    has_ended_limits_ = has_ended_limits_ || woken.is_limit;
    auto& left = woken.is_limit ? early_.limits : early_.conditions;
    if (left != early_limits::any) { --left; }
}

void schedule_driver::look_for_end() {
    if (decides_ && summary_.steps >= max_steps_) {
        summary_.was_cut = true;
        decides_ = false;
    }
    if (summary_.steps == most_left_) { report_runaway(ready_.front()); }
}

void schedule_driver::report_runaway(const candidate& runs) {
    on_runaway_("runaway: more than " + std::to_string(most_left_)
                + " steps, of which the last were first in, first out; the last of all is "
                + describe_agent(agents_, runs.agent) + "'s, from " + to_string(runs.at));
}

void schedule_driver::note_ready(std::span<const choice> ready) {
    ready_.clear();
    ready_hash_ = ready.size();
    for (const auto& each : ready) {
        const auto index = index_of({each.id, each.is_task});
        ready_hash_ += agents_.hash(index);
        ready_.push_back({index, each.at, each.order});
    }
}

/// They are no part of the state.
void schedule_driver::note_early(std::span<const early_choice> early) {
    for (const auto& each : early) {
        ready_.push_back({index_of({each.id, each.is_task}), each.at, each.order, true});
    }
}

std::size_t schedule_driver::decide() {
    ++summary_.decisions;
    const auto index = std::min(strategy_->decide(ready_), ready_.size() - 1);
    if (index != 0) {
        const bool is_for_time = ready_.front().agent == agent_tree::outside;
        deviations_.push_back({summary_.steps, ready_[index].agent, is_for_time});
    }
    return index;
}

void schedule_driver::note_step(const candidate& runs, std::size_t ready) {
    mix(hash_, ready_hash_);
    mix(hash_, agents_.hash(runs.agent));
    mix(hash_, static_cast<std::uint64_t>(time_->now().time_since_epoch().count()));
    const bool is_early = runs.agent != agent_tree::outside && runs.agent == woken_early_;
    if (is_early) { woken_early_ = agent_tree::outside; }
    if (trace_ != nullptr) {
        trace_->push_back({runs.agent, runs.at, time_->now(), hash_, ready, is_early});
    }
    if (decides_) {
        if (is_ordered_) { order_.on_step(runs); }
        strategy_->on_step(runs);
    }
    ++summary_.steps;
    faults_in_step_ = 0;
}

bool schedule_driver::decide_fault(std::string_view name) {
    const auto number = faults_in_step_++;
    for (const char c : name) {
        mix(hash_, static_cast<unsigned char>(c));
    }
    const bool fails = decides_ && strategy_->decide_fault();
    mix(hash_, fails ? 1 : 0);
    if (is_ordered_ && decides_) { order_.on_fault(fails); }
    // Of the step that runs, which is counted already.
    if (fails) { faults_.push_back({summary_.steps - 1, number}); }
    return fails;
}

schedule schedule_driver::decided() const {
    schedule result;
    for (const auto& each : deviations_) {
        result.deviations.push_back({each.step, agents_.path(each.agent), each.in_place_of_time});
    }
    result.faults = faults_;
    return result;
}

}  // namespace coroscope::testkit::detail
