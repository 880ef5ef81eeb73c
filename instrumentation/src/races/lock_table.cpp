// SPDX-License-Identifier: Apache-2.0
#include "lock_table.hpp"

#include "blocked_tasks.hpp"
#include "race_findings.hpp"

#include <coroscope/instrumentation/snapshots.hpp>

#include <coroscope/runtime/detail/task_core.hpp>

#include <algorithm>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace coroscope::instrumentation::detail {
namespace {

using coroscope::detail::access;
using coroscope::detail::lock_use;
using coroscope::detail::task_core;

[[nodiscard]] bool is_permit(const access& made) noexcept {
    return made.lock == lock_use::permit || made.lock == lock_use::try_permit;
}

[[nodiscard]] held_lock lock_of(const access& made) {
    held_lock lock;
    lock.mutex = made.object;
    lock.id = made.id;
    if (is_permit(made)) { lock.kind = "semaphore"; }
    return lock;
}

/// 0: it is a callback.
[[nodiscard]] std::uint64_t task_of(std::uint64_t key) noexcept {
    const auto who = race_units::agent_of(key);
    return who.is_task ? who.id : 0;
}

[[nodiscard]] const held_lock* find_in(const lock_set* held, const void* lock) {
    if (held == nullptr) { return nullptr; }
    const auto found = std::ranges::find(*held, lock, &held_lock::mutex);
    return found != held->end() ? &*found : nullptr;
}

/// From one that awaits the task, through those that await it, to the one with this id.
[[nodiscard]] std::vector<task_core*> way_to(const task_core& task, std::uint64_t id) {
    constexpr std::size_t most = 16;
    std::vector<task_core*> seen;
    std::vector<std::size_t> came_from;
    task.collect_awaiting(seen);
    came_from.resize(seen.size(), most);
    for (std::size_t i = 0; i < seen.size() && i < most; ++i) {
        if (seen[i]->id() == id) {
            std::vector<task_core*> way;
            for (auto at = i; at < most; at = came_from[at]) {
                way.push_back(seen[at]);
            }
            return way;
        }
        seen[i]->collect_awaiting(seen);
        came_from.resize(seen.size(), i);
    }
    return {};
}

}  // namespace

// An acquire that changes nothing is the end of a wait: the lock was handed over before.
bool lock_table::note(const access& made) {
    passes_permit_ = false;
    if (made.lock == lock_use::none) {
        if (made.kind == access_kind::release) { end_lock(made.object); }
        return false;
    }
    const auto at = recorder_.now();
    if (is_permit(made) && is_signal(made, at)) { return false; }
    const bool waits = made.lock == lock_use::lock || made.lock == lock_use::permit;
    switch (made.kind) {
    case access_kind::release:
        passes_permit_ = is_permit(made);
        give_back(made.object);
        break;
    case access_kind::acquire:
        if (at.key == 0) { break; }
        if (waits && made.changes) { request(made, at, false); }
        take(made, at);
        break;
    case access_kind::test:
        if (at.key == 0 || !waits) { break; }
        if (made.changes) {
            request(made, at, true);
        } else {
            refuse(made, at);
        }
        break;
    case access_kind::read:
    case access_kind::write: break;
    }
    return true;
}

/// A semaphore of one permit that gets more is no lock any more.
void lock_table::end_lock(const void* object) {
    if (!holders_.contains(object)) { return; }
    give_back(object);
    signals_.insert(object);
}

// Also one that was taken where nobody saw it.
bool lock_table::is_signal(const access& made, const race_recorder::present& at) {
    if (signals_.contains(made.object)) { return true; }
    if (made.kind != access_kind::release) { return false; }
    const auto holder = holders_.find(made.object);
    if (holder != holders_.end() && holder->second == at.key) { return false; }
    give_back(made.object);
    signals_.insert(made.object);
    return true;
}

void lock_table::take(const access& made, const race_recorder::present& at) {
    auto& unit = units_.at(at.key);
    waits_.erase(at.key);
    give_back(made.object);
    auto locks = unit.locks != nullptr ? std::make_shared<lock_set>(*unit.locks)
                                       : std::make_shared<lock_set>();
    auto taken = lock_of(made);
    taken.acquisition = next_acquisition_++;
    taken.step = at.step;
    taken.at = made.where;
    locks->push_back(taken);
    units_.set_locks(unit, std::move(locks));
    holders_[made.object] = at.key;
}

// By whichever unit: a mutex may be given back by another task than the one that took it.
void lock_table::give_back(const void* lock) {
    const auto holder = holders_.find(lock);
    if (holder == holders_.end()) { return; }
    auto* unit = units_.find(holder->second);
    holders_.erase(holder);
    if (unit == nullptr || unit->locks == nullptr) { return; }
    auto locks = std::make_shared<lock_set>(*unit->locks);
    std::erase_if(*locks, [&](const held_lock& each) { return each.mutex == lock; });
    units_.set_locks(*unit, locks->empty() ? nullptr : std::move(locks));
}

void lock_table::request(const access& made, const race_recorder::present& at, bool waits) {
    if (recorder_.locks_of(at.key) == nullptr) {
        if (waits) { waits_.erase(at.key); }
        return;
    }
    auto record = std::make_shared<access_record>();
    if (!recorder_.identify(at, *record, made.where)) {
        log_.count_dropped();
        return;
    }
    const auto wanted = lock_of(made);
    order_.note_request(record, wanted);
    if (!waits) { return; }
    waits_[at.key] = {wanted, record};
    if (!is_permit(made)) { look_for_lender(wanted, *record); }
    const auto circle = circle_from(at.key);
    if (circle.empty() || circle.front() != at.key) { return; }
    report(circle, report::verdict::predicted);  // one of the waits may have a time limit
}

// A mutex throws at whoever holds it already; a permit may be given back by another task.
void lock_table::refuse(const access& made, const race_recorder::present& at) {
    const auto holder = holders_.find(made.object);
    if (is_permit(made) || holder == holders_.end() || holder->second != at.key) { return; }
    access_record record;
    recorder_.locate(at, record, made.where);
    if (!record.who->agent.is_task) { return; }
    log_.add(describe_standstill(standstill::self_lock, report::verdict::confirmed,
                                 {describe(lock_of(made), record)}));
}

// Its holder awaits whoever wants it.
void lock_table::look_for_lender(const held_lock& wanted, const access_record& by) {
    const auto holder = holders_.find(wanted.mutex);
    const auto* task = coroscope::detail::running_loop->current.get();
    if (holder == holders_.end() || task == nullptr) { return; }
    if (task_of(holder->second) == 0) { return; }
    std::vector<awaiting_task> circle;
    for (const auto* each : way_to(*task, task_of(holder->second))) {
        circle.push_back(describe_task(*each));
    }
    if (circle.empty()) { return; }
    circle.insert(circle.begin(), describe(wanted, by));
    log_.add(describe_standstill(standstill::self_lock, report::verdict::predicted, circle));
}

// Whoever gave up has gone on since.
bool lock_table::still_waits(std::uint64_t key) const {
    return recorder_.is_still_at(key, waits_.at(key).request->step);
}

std::vector<std::uint64_t> lock_table::circle_from(std::uint64_t key) const {
    std::vector<std::uint64_t> way{key};
    std::unordered_map<std::uint64_t, std::size_t> places{{key, 0}};
    while (true) {
        const auto wait = waits_.find(way.back());
        if (wait == waits_.end()) { return {}; }
        const auto holder = holders_.find(wait->second.lock.mutex);
        if (holder == holders_.end()) { return {}; }
        const auto [place, is_new] = places.try_emplace(holder->second, way.size());
        if (!is_new) {
            way.erase(way.begin(), way.begin() + static_cast<std::ptrdiff_t>(place->second));
            return way;
        }
        way.push_back(holder->second);
    }
}

void lock_table::report(const std::vector<std::uint64_t>& circle, report::verdict sure) {
    if (circle.size() == 1) { return; }  // a permit of its own, for which another one may come
    if (!std::ranges::all_of(circle, [&](auto key) { return still_waits(key); })) { return; }
    std::vector<awaiting_task> members;
    for (const auto member : circle) {
        const auto& wait = waits_.at(member);
        members.push_back(describe(wait.lock, *wait.request));
    }
    std::ranges::sort(members, {}, &awaiting_task::id);
    log_.add(describe_standstill(standstill::lock_cycle, sure, members));
}

awaiting_task lock_table::describe(const held_lock& wanted, const access_record& by) const {
    awaiting_task made;
    made.id = by.who->agent.id;
    made.name = display_name(by.who->agent.id, by.who->name);
    made.state = task_state::waiting;
    made.waits_on = lock_text(wanted);
    made.created_at = by.who->created_at;
    made.stack.push_back(by.where);
    for (const auto& site : by.callers.sites()) {
        made.stack.push_back(site);
    }
    const auto holder = holders_.find(wanted.mutex);
    if (holder == holders_.end()) { return made; }
    made.holder = task_of(holder->second);
    const auto* unit = units_.find(holder->second);
    if (unit == nullptr) { return made; }
    if (const auto* held = find_in(unit->locks.get(), wanted.mutex)) { made.held_since = held->at; }
    return made;
}

void lock_table::note_hang() {
    std::unordered_set<std::uint64_t> known;
    for (const auto& [key, wait] : waits_) {
        if (known.contains(key)) { continue; }
        const auto circle = circle_from(key);
        if (circle.empty() || !known.insert(circle.front()).second) { continue; }
        known.insert(circle.begin(), circle.end());
        report(circle, report::verdict::confirmed);
    }
}

void lock_table::forget(const void* lock) {
    if (holders_.contains(lock)) { give_back(lock); }
    signals_.erase(lock);
    order_.forget(lock);
}

}  // namespace coroscope::instrumentation::detail
