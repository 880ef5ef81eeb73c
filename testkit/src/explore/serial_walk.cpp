// SPDX-License-Identifier: Apache-2.0
#include "serial_walk.hpp"

#include <coroscope/runtime/detail/task_core.hpp>

#include <algorithm>

namespace coroscope::testkit::detail {
namespace {

/// Steps in a row after which an operation polls: others have their turn.
constexpr std::uint64_t most_steps_in_a_row = 200;
/// Steps between which an operation sleeps, after which it polls, while others are held.
constexpr std::uint64_t most_steps_of_holder = 100;

/// It goes on by itself, whatever the other tasks do.
[[nodiscard]] bool goes_on_alone(const task_record& record) noexcept {
    constexpr auto relaxed = std::memory_order_relaxed;
    if (record.state.load(relaxed) != task_state::waiting) { return false; }
    switch (record.waits_for.load(relaxed)) {
    case wait_kind::sleep: {
        const auto never = time_point::max().time_since_epoch().count();
        return record.wait_detail.load(relaxed) != never;
    }
    case wait_kind::executor:
    case wait_kind::io: return true;
    default: return false;
    }
}

}  // namespace

void serial_walk::begin(std::uint64_t) {
    depth_ = 0;
    begun_.clear();
    current_ = agent_tree::outside;
    turn_ = 0;
    holder_ = agent_tree::outside;
    holder_steps_ = 0;
    other_deadline_.reset();
}

serial_walk::role serial_walk::role_of(agent_index which) const {
    if (!environment_.driver().agents().is_task(which)) { return role::free; }
    const auto& log = environment_.outcomes();
    const bool is_body = which == agent_tree::body;
    if (log.has_scopes(which)) {
        return log.is_in_scope(which) ? role::operation : is_body ? role::free : role::before;
    }
    if (is_body || environment_.is_background_agent(which)) { return role::free; }
    return begun_.contains(which) ? role::operation : role::before;
}

/// An operation that goes on without any of the tasks that are ready.
std::optional<agent_index> serial_walk::find_holder() const {
    const auto& core = environment_.loop().core();
    for (const auto* task = core.first_task; task != nullptr; task = task->next) {
        const auto agent = environment_.driver().task_agent(task->id());
        if (goes_on_alone(task->record()) && role_of(agent) == role::operation) { return agent; }
    }
    return {};
}

/// Timeouts, and sleeps of those who are no operations, come sooner for who waits for an operation
/// that is held. What comes of that is no serial run's outcome.
void serial_walk::note_other_timers() {
    auto deadlines = environment_.clock().pending_timers();
    const auto& core = environment_.loop().core();
    for (const auto* task = core.first_task; task != nullptr; task = task->next) {
        const auto& record = task->record();
        const auto agent = environment_.driver().task_agent(task->id());
        const auto waits_for = record.waits_for.load(std::memory_order_relaxed);
        if (waits_for == wait_kind::clock) {
            trouble_ =
                "the test moves its clock while operations that have not begun wait for one "
                "that sleeps";
        }
        if (waits_for != wait_kind::sleep || role_of(agent) == role::free) { continue; }
        const time_point deadline(duration(record.wait_detail.load(std::memory_order_relaxed)));
        const auto own = std::ranges::find(deadlines, deadline);
        if (own != deadlines.end()) { deadlines.erase(own); }
    }
    for (const auto& each : deadlines) {
        other_deadline_ = std::min(other_deadline_.value_or(each), each);
    }
}

bool serial_walk::holds_all(std::span<const candidate> ready) {
    const bool may_only_begin = std::ranges::all_of(
        ready, [&](const candidate& c) { return role_of(c.agent) == role::before; });
    if (!may_only_begin) { return false; }
    const auto holder = find_holder();
    if (!holder.has_value()) { return false; }
    if (*holder != holder_) {
        holder_ = *holder;
        holder_steps_ = 0;
    }
    if (holder_steps_ > most_steps_of_holder) {
        trouble_ = describe_agent(environment_.driver().agents(), holder_)
                   + " sleeps again and again and does not end while others wait for their turn";
        return false;
    }
    note_other_timers();
    return true;
}

std::size_t serial_walk::decide(std::span<const candidate> ready) {
    const auto& agents = environment_.driver().agents();
    std::vector<std::size_t> begun;
    std::vector<std::size_t> others;
    std::optional<std::size_t> current;
    for (std::size_t i = 0; i < ready.size(); ++i) {
        const auto agent = ready[i].agent;
        if (!agents.is_task(agent)) { return i; }
        const auto is = role_of(agent);
        if (agent == current_ && is == role::operation) {
            current = i;
        } else {
            (is == role::before ? others : begun).push_back(i);
        }
    }
    if (current.has_value() && turn_ < most_steps_in_a_row) { return *current; }
    if (begun.empty()) { begun = others; }
    if (begun.empty()) { return *current; }
    turn_ = 0;
    return begun[next(begun.size())];
}

void serial_walk::on_step(const candidate& runs) {
    if (!environment_.driver().agents().is_task(runs.agent)) { return; }
    begun_.insert(runs.agent);
    if (runs.agent == holder_) { ++holder_steps_; }
    turn_ = runs.agent == current_ ? turn_ + 1 : 0;
    // The body takes the turn from nobody.
    if (runs.agent != agent_tree::body || role_of(runs.agent) == role::operation) {
        current_ = runs.agent;
    }
}

void serial_walk::end(const execution_summary& summary) {
    if (summary.was_cut) { trouble_ = "a serial run came to max_steps"; }
    if (other_deadline_.has_value() && environment_.time_of_body() >= *other_deadline_) {
        trouble_ =
            "a timeout, or a sleep of the body, ran out while operations that had not begun "
            "had to wait for one that slept";
    }
    const auto scoped = environment_.outcomes().scoped_agents();
    if (scoped != scoped_agents_) {  // the choices were others without what is known now
        scoped_agents_ = scoped;
        path_.clear();
        return;
    }
    path_.resize(depth_);
    step_back();
}

std::size_t serial_walk::next(std::size_t count) {
    if (count == 1) { return 0; }
    if (depth_ == path_.size()) { path_.push_back({0, count}); }
    auto& here = path_[depth_++];
    here.chosen = std::min(here.chosen, count - 1);
    here.count = count;
    return here.chosen;
}

void serial_walk::step_back() {
    while (!path_.empty() && path_.back().chosen + 1 == path_.back().count) {
        path_.pop_back();
    }
    if (path_.empty()) {
        exhausted_ = true;
    } else {
        ++path_.back().chosen;
    }
}

}  // namespace coroscope::testkit::detail
