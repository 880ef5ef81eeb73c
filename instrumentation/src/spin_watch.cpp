// SPDX-License-Identifier: Apache-2.0
#include "spin_watch.hpp"

#include <coroscope/runtime/detail/tick_clock.hpp>

namespace coroscope::instrumentation {

using coroscope::detail::tick_clock;

spin_watch::spin_watch(std::uint32_t turns, std::uint32_t attempts, duration work)
    : turns_(turns),
      attempts_(attempts),
      work_ticks_(tick_clock::to_ticks(work)) {}

void spin_watch::woken(std::uint64_t task) noexcept {
    auto* state = claim(task);
    if (state == nullptr) { return; }
    state->woken = true;
    state->attempts = 0;
}

void spin_watch::reposted(std::uint64_t handle, await_site by) noexcept {
    posts_[handle % posts] = {handle, identity_of(by)};
}

bool spin_watch::tried(std::uint64_t task, std::uint64_t stamp) noexcept {
    auto* state = claim(task);
    if (state == nullptr || state->tried_at == stamp) { return false; }
    state->tried_at = stamp;
    if (++state->attempts < attempts_ || state->told) { return false; }
    state->told = true;
    return true;
}

spin_watch::task_state* spin_watch::claim(std::uint64_t task) noexcept {
    constexpr std::uint64_t long_ago = 16;
    auto& state = place_of(task);
    if (state.id == task) { return &state; }
    const bool is_idle = state.turns + state.attempts == 0 || state.window + long_ago < window_;
    if (state.id != 0 && !is_idle) { return nullptr; }
    state = {};
    state.id = task;
    state.window = window_;
    return &state;
}

bool spin_watch::is_work(const step_record& step) const noexcept {
    return step.end - step.begin >= work_ticks_;
}

bool spin_watch::spins_task(const step_record& step) noexcept {
    auto* state = claim(step.id);
    if (state == nullptr) { return false; }
    if (step.to.line() == 0) {  // it has ended
        *state = {};
        return false;
    }
    if (state->window != window_) {
        state->window = window_;
        state->ignored = state->woken;
        state->woken = false;
        if (state->ignored) { state->start_anew(); }
    }
    if (state->ignored || is_work(step)) { return false; }
    if (state->turns == 0) { state->site = step.to; }
    state->moved = state->moved || identity_of(state->site) != identity_of(step.to);
    if (++state->turns < turns_ || state->told) { return false; }
    state->told = true;
    found_ = {step.id, step.to, state->turns, state->moved};
    return true;
}

bool spin_watch::spins_callback(const step_record& step) noexcept {
    const auto site = identity_of(step.from);
    auto& state = callbacks_[site / alignof(std::max_align_t) % sites];
    const auto& how = posts_[step.id % posts];
    if (how.handle != step.id || how.by != site) {
        if (state.site == site) { state.turns = 0; }
        return false;
    }
    if (state.site != site) {
        if (state.turns > 0) {  // it keeps its place as long as it spins
            --state.turns;
            return false;
        }
        state.site = site;
    }
    if (is_work(step) || ++state.turns != turns_) { return false; }
    found_ = {0, step.from, state.turns, false};
    return true;
}

}  // namespace coroscope::instrumentation
