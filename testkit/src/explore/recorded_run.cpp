// SPDX-License-Identifier: Apache-2.0
#include "recorded_run.hpp"

#include "random_source.hpp"

#include <coroscope/instrumentation/detail/own_await.hpp>
#include <coroscope/runtime/detail/task_core.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <iterator>
#include <utility>

namespace coroscope::testkit::detail {
namespace {

using coroscope::detail::frame_base;
using coroscope::detail::running_loop;
using instrumentation::seen_use;

/// Null: its step has not begun yet, or a callback runs, or another task within the step.
[[nodiscard]] const coroscope::detail::task_core* task_of_step() noexcept {
    const auto* task = running_loop->current.get();
    return task != nullptr && task->id() * 2 == running_loop->turn ? task : nullptr;
}

[[nodiscard]] creation_origin callers_of(const frame_base* frame) noexcept {
    std::array<await_site, creation_origin::most_sites> sites{};
    std::size_t count = 0;
    for (; frame != nullptr && count < sites.size(); frame = frame->parent) {
        sites[count++] = frame->site;
    }
    return creation_origin::of({sites.data(), count});
}

/// The same for a step that uses things at the same places of the source.
[[nodiscard]] std::uint64_t deeds_of(const ordered_step& step) {
    std::uint64_t hash = step.uses.size();
    for (const auto& use : step.uses) {
        hash = derived_seed(hash, std::bit_cast<std::uint64_t>(use.where));
        hash = derived_seed(hash, std::bit_cast<std::uint64_t>(use.code));
    }
    return hash;
}

}  // namespace

void recorded_run::begin(std::uint64_t seed) {
    replay_strategy::begin(seed);
    running_ = agent_tree::outside;
    agents_seen_.clear();
    places_.clear();
    memory_.clear();
    orders_.clear();
    steps_.clear();
}

void recorded_run::on_step(const candidate& runs) {
    replay_strategy::on_step(runs);
    running_ = runs.agent;
    posted_at_ = runs.at;
}

void recorded_run::on_use(const coroscope::detail::access& made) {
    if (running_loop == nullptr || order()->size() == 0) { return; }
    note_who();
    const auto used = order()->step(order()->size() - 1).uses.size();
    if (used == 0) { return; }
    note_place(used - 1);
    if (made.bytes != 0) { note_memory(used - 1, made.object); }
}

/// Of each step, something is told after it was chosen and before it runs: whose turn it is then is
/// the agent's id.
void recorded_run::note_who() {
    if (running_ >= agents_seen_.size()) { agents_seen_.resize(running_ + 1); }
    auto& facts = agents_seen_[running_];
    if (facts.is_known) { return; }
    const auto turn = running_loop->turn;
    if (turn % 2 != 0) {
        facts = {{turn / 2, false}, {}, creation_origin(posted_at_), true};
        return;
    }
    const auto* task = running_loop->first_task;
    while (task != nullptr && task->id() != turn / 2) {
        task = task->next;
    }
    if (task == nullptr) { return; }
    facts = {{task->id(), true},
             std::string(task->given_name()),
             task->record().origin.load(std::memory_order_relaxed),
             true};
}

void recorded_run::note_place(std::size_t use) {
    const auto* task = task_of_step();
    if (task == nullptr || task->top == nullptr) { return; }
    const auto step = order()->size() - 1;
    const bool is_same =
        !places_.empty() && places_.back().step == step && places_.back().frame == task->top;
    if (is_same) { return; }
    const auto awaited = instrumentation::detail::own_await(task->top, order()->step(step).at);
    places_.push_back({step, use, task->top, awaited, callers_of(task->top->parent)});
}

/// Now: at the end it is somebody else's.
void recorded_run::note_memory(std::size_t use, const void* address) {
    const auto step = order()->size() - 1;
    const bool is_known =
        !memory_.empty() && memory_.back().step == step && memory_.back().use >= use;
    if (is_known) { return; }
    memory_.push_back({step, use, instrumentation::detail::place_in_memory(address)});
}

void recorded_run::end(const execution_summary& summary) {
    replay_strategy::end(summary);
    for (std::size_t i = 0; i < order()->size(); ++i) {
        steps_.emplace(name_of(i), known_step{i, deeds_of(order()->step(i))});
    }
    const auto known = before_ != nullptr ? positions_in(*before_) : std::vector<std::size_t>();
    reversal_filter is_new;
    if (before_ != nullptr) {
        is_new = [&known](std::uint32_t earlier, std::uint32_t later) {
            return known[earlier] == nowhere || known[later] == nowhere
                   || known[later] < known[earlier];
        };
    }
    for (const auto& each : find_reversals(*order(), most_, is_new)) {
        orders_.push_back(describe(each));
    }
}

recorded_run::step_name recorded_run::name_of(std::size_t step) const {
    const auto& of = order()->step(step);
    return derived_seed(agents()->hash(of.agent), of.number);
}

std::vector<std::size_t> recorded_run::positions_in(const recorded_run& other) const {
    std::vector<std::size_t> result;
    for (std::size_t i = 0; i < order()->size(); ++i) {
        const auto found = other.steps_.find(name_of(i));
        const bool is_same =
            found != other.steps_.end() && found->second.deeds == deeds_of(order()->step(i));
        result.push_back(is_same ? found->second.position : nowhere);
    }
    return result;
}

const recorded_run::coroutine_place* recorded_run::place_at(std::size_t step,
                                                            std::size_t use) const {
    const auto after =
        std::ranges::upper_bound(places_, std::pair(step, use), {},
                                 [](const coroutine_place& p) { return std::pair(p.step, p.use); });
    if (after == places_.begin() || std::prev(after)->step != step) { return nullptr; }
    return &*std::prev(after);
}

instrumentation::detail::memory_place recorded_run::memory_at(std::size_t step,
                                                              std::size_t use) const {
    const std::pair key(step, use);
    const auto of = [](const used_memory& m) {
        return std::pair(m.step, m.use);
    };
    const auto found = std::ranges::lower_bound(memory_, key, {}, of);
    return found != memory_.end() && of(*found) == key ? found->place
                                                       : instrumentation::detail::memory_place();
}

seen_use recorded_run::tell(std::size_t index, std::size_t use) const {
    const auto& step = order()->step(index);
    seen_use told;
    if (step.agent < agents_seen_.size()) {
        const auto& facts = agents_seen_[step.agent];
        told.who = facts.who;
        told.name = facts.name;
        told.created = facts.created;
    }
    told.resumed_at = step.at;
    if (use == reversal::none) { return told; }
    const auto& used = step.uses[use];
    told.what = used.bytes != 0 ? seen_use::thing::data : seen_use::thing::object;
    told.changes = used.mode == use_mode::change;
    told.where = used.where;
    told.code = used.code;
    told.mutex = used.mutex;
    if (const auto* place = place_at(index, use); place != nullptr) {
        told.awaited_in = place->awaited;
        told.callers = place->callers;
    }
    told.place = memory_at(index, use);
    return told;
}

recorded_run::other_order recorded_run::describe(const reversal& r) const {
    const auto& held = order()->step(r.earlier);
    const auto& until = order()->step(r.later);
    other_order made;
    made.site = r.site;
    made.steered = {agents()->path(held.agent), held.number, agents()->path(until.agent),
                    until.number};
    made.what.earlier = tell(r.earlier, r.first_use);
    made.what.later = tell(r.later, r.then_use);
    made.what.holds = {{made.what.earlier.who, held.number, made.what.later.who, until.number}};
    return made;
}

}  // namespace coroscope::testkit::detail
