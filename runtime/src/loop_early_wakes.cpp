// SPDX-License-Identifier: Apache-2.0
#include "loop_implementation.hpp"
#include "time_limit.hpp"

#include <coroscope/runtime/condition.hpp>
#include <coroscope/runtime/detail/multi_wait.hpp>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

// What a policy may wake early: what waits for a condition, and time limits.

namespace coroscope {
namespace {

/// Null: it waits for no condition, or others use the condition's mutex.
[[nodiscard]] detail::condition_awaiter* wakeable_waiter(detail::task_core& task) noexcept {
    if (task.record().waits_for.load(std::memory_order_relaxed) != wait_kind::condition
        || task.waiting_on == nullptr) {
        return nullptr;
    }
    // Whoever waits for a condition's notification waits in no other way.
    auto* const waiter = static_cast<detail::condition_awaiter*>(task.waiting_on);
    return waiter->could_go_on() ? waiter : nullptr;
}

/// The deadline of a timer that limits something; empty: it does not.
[[nodiscard]] std::optional<time_point> limit_of(detail::ready_entry target) noexcept {
    if (!target.is_task()) {
        const auto& handle = *target.handle();
        return handle.is_internal ? std::optional(handle.when) : std::nullopt;
    }
    const auto& task = *target.task();
    // Groups that are waited for with a timer are those of `wait`.
    if (task.record().waits_for.load(std::memory_order_relaxed) != wait_kind::group) { return {}; }
    return static_cast<const detail::multi_wait*>(task.waiting_on)->deadline();
}

}  // namespace

void loop::implementation::offer_early(detail::ready_entry entry, bool is_limit) {
    early_.push_back(entry);
    early_choices_.push_back({choice_of(entry), is_limit});
}

/// The limits that come next: what is later than another is so in reality, too.
void loop::implementation::offer_limits() {
    auto next = time_point::max();
    limits_.clear();
    core.timers.for_each([&](const detail::timer_node& node) {
        const auto deadline = limit_of(node.target);
        if (!deadline.has_value() || *deadline > next) { return; }
        if (*deadline < next) { limits_.clear(); }
        next = *deadline;
        limits_.push_back(node.target);
    });
    // In an order that does not depend on how the queue of timers has come to be.
    std::ranges::sort(limits_, {}, [](detail::ready_entry e) {
        return e.is_task() ? std::pair(true, e.task()->id()) : std::pair(false, e.handle()->id);
    });
    for (const auto& each : limits_) {
        offer_early(each, true);
    }
}

void loop::implementation::find_early() {
    early_.clear();
    early_choices_.clear();
    const auto allowed = early_policy_->allowed();
    if (allowed.conditions) {
        for (auto* task = core.first_task; task != nullptr; task = task->next) {
            if (wakeable_waiter(*task) != nullptr) {
                offer_early(detail::ready_entry(task), false);
            }
        }
    }
    if (allowed.limits) { offer_limits(); }
}

/// Makes it the last of what is ready.
void loop::implementation::wake_early(detail::ready_entry entry) {
    if (!entry.is_task()) {
        core.timers.disarm(entry.handle()->timer);  // whose reference goes to the ready queue
        core.ready.push(entry);
    } else if (auto* const waiter = wakeable_waiter(*entry.task())) {
        waiter->wake_for_no_reason();
    } else {
        static_cast<detail::multi_wait*>(entry.task()->waiting_on)->end_early();
    }
}

detail::ready_entry loop::implementation::take_any() {
    const auto ready = choices_.size();
    const auto index = early_policy_->pick_any(choices_, early_choices_);
    const auto all = ready + early_.size();
    if (!index.has_value() || *index >= all) {
        throw std::out_of_range(
            "a schedule policy picked "
            + (index.has_value() ? "entry " + std::to_string(*index) : std::string("nothing"))
            + " of " + std::to_string(all));
    }
    if (*index < ready) { return core.ready.take(places_[*index]); }
    wake_early(early_[*index - ready]);
    return core.ready.take(core.ready.size() - 1);
}

/// Nothing is ready, and time would go on. True if something was woken instead.
bool loop::implementation::wakes_in_place_of_time() {
    find_early();
    if (early_.empty()) { return false; }
    const auto index = early_policy_->pick_any({}, early_choices_);
    if (!index.has_value()) { return false; }
    wake_early(early_.at(*index));
    return true;
}

namespace detail {
namespace {

/// Marks a timer.
class limit_timer final : public timer_handle {
public:
    explicit limit_timer(const timer_handle& armed) : timer_handle(armed) {
        state_->is_internal = true;
    }
};

}  // namespace

timer_handle arm_limit(loop& in, time_point when, callback f, await_site where) {
    auto armed = in.call_at(when, std::move(f), where);
    static_cast<void>(limit_timer(armed));
    return armed;
}

timer_handle arm_limit(loop& in, duration length, callback f, await_site where) {
    return arm_limit(in, saturating_add(in.time(), length), std::move(f), where);
}

}  // namespace detail
}  // namespace coroscope
