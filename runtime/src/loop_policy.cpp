// SPDX-License-Identifier: Apache-2.0
#include "loop_implementation.hpp"

#include <coroscope/runtime/detail/access_sink.hpp>
#include <coroscope/runtime/detail/outside_post.hpp>

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <utility>

// Steps in an order that a schedule policy chooses, among what may come next.

namespace coroscope {
namespace {

/// What has the same number keeps its order.
[[nodiscard]] std::uint64_t order_of(detail::ready_entry entry) noexcept {
    if (entry.is_task()) { return entry.task()->id() * 2; }
    return std::max(entry.handle()->posted_by, detail::loop_core::from_outside);
}

/// Whose turn it is, for what is put into the queue meanwhile.
[[nodiscard]] std::uint64_t turn_of(detail::ready_entry entry) noexcept {
    return entry.is_task() ? entry.task()->id() * 2 : entry.handle()->id * 2 + 1;
}

[[nodiscard]] schedule_policy::agent agent_of(std::uint64_t turn) noexcept {
    return {turn / 2, turn % 2 == 0};
}

}  // namespace

schedule_policy::choice loop::implementation::choice_of(detail::ready_entry entry) noexcept {
    if (!entry.is_task()) {
        return {entry.handle()->id, false, entry.handle()->created_at, order_of(entry)};
    }
    const auto& task = *entry.task();
    return {task.id(), true, task.record().site.load(std::memory_order_relaxed),
            task.woken_by_others ? 0 : order_of(entry)};
}

void loop::implementation::run_ready_by_policy(std::size_t count) {
    auto& c = core;
    auto left = count;
    for (; left > 0; --left) {
        // A step may have taken the policy away.
        const auto entry = c.policy != nullptr ? take_next() : c.ready.pop();
        if (!entry.has_value()) {
            held_ = c.ready.size();
            break;
        }
        detail::begin_stretch();
        if (entry->is_task()) {
            // Whether somebody has asked it to stop, or called it off, is always the question.
            detail::note_use(&entry->task()->must_cancel, detail::access_kind::test);
            entry->task()->woken_by_others = false;
            run_one_task(*entry->task());
        } else {
            detail::note_use(entry->handle(), detail::access_kind::test);
            run_handle(*entry->handle());
        }
        detail::end_stretch();
    }
    c.turn = detail::loop_core::from_outside;
    unpublished_steps_ += count - left;
    if (!c.ready.empty() && c.policy != nullptr) {
        // Timers of a later instant are not due before all of this one have had their turn.
        c.current = nullptr;
        account_steps();
        if (c.mail->has_mail()) { take_mail(); }
        if (io_is_used.load(std::memory_order_relaxed)) { run_asio(false); }
    }
}

std::optional<detail::ready_entry> loop::implementation::take_next() {
    choices_.clear();
    places_.clear();
    offer_in_order();
    if (choices_.empty()) { return core.ready.pop(); }  // nothing but cancelled callbacks
    if (early_policy_ != nullptr) { find_early(); }
    const auto entry = early_choices_.empty() ? take_ready() : take_any();
    if (entry.has_value()) { core.turn = turn_of(*entry); }
    return entry;
}

std::optional<detail::ready_entry> loop::implementation::take_ready() {
    constexpr auto none = std::numeric_limits<std::size_t>::max();
    const auto index = core.policy->pick(choices_);
    if (index == none) { return {}; }
    if (index >= choices_.size()) {
        throw std::out_of_range("a schedule policy picked entry " + std::to_string(index) + " of "
                                + std::to_string(choices_.size()));
    }
    return core.ready.take(places_[index]);
}

/// Tasks alone are in nobody's way: each stands in the queue once.
void loop::implementation::offer_in_order() {
    const auto size = core.ready.size();
    bool has_callbacks = false;
    for (std::size_t i = 0; i < size && !has_callbacks; ++i) {
        has_callbacks = !core.ready.at(i).is_task();
    }
    orders_.clear();
    for (std::size_t i = 0; i < size; ++i) {
        const auto entry = core.ready.at(i);
        if (!entry.is_task() && entry.handle()->cancelled) { continue; }
        if (has_callbacks) {
            const auto order = order_of(entry);
            const bool is_free = entry.is_task() && entry.task()->woken_by_others;
            const bool has_to_wait = !is_free && std::ranges::find(orders_, order) != orders_.end();
            if (!is_free && !has_to_wait) { orders_.push_back(order); }
            if (has_to_wait) { continue; }
        }
        places_.push_back(i);
        choices_.push_back(choice_of(entry));
    }
}

namespace detail {

std::uint64_t loop_core::creator() const noexcept {
    return current != nullptr ? current->id() * 2 : turn;
}

void loop_core::note_creator(handle_state& posted) noexcept {
    posted.posted_by = creator();
    note_begin_of_life(&posted, sizeof(posted));
    policy->on_created({posted.id, false}, agent_of(posted.posted_by));
}

void post_from_outside(loop& to, callback f, await_site where) {
    auto& core = to.core();
    auto* state = new handle_state(core, std::move(f), core.next_object_id++, where);
    state->posted_by = loop_core::from_outside;
    core.ready.push(ready_entry(state));
    if (core.policy != nullptr) {
        core.policy->on_created({state->id, false}, agent_of(state->posted_by));
    }
    if (core.wants(hook::edge)) { core.notify_edge(edge_kind::post, 0, state->id); }
}

void loop_core::note_creator(const task_core& started) const noexcept {
    note_begin_of_life(&started, sizeof(started));
    policy->on_created({started.id(), true}, agent_of(creator()));
}

}  // namespace detail
}  // namespace coroscope
