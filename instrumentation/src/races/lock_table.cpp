// SPDX-License-Identifier: Apache-2.0
#include "lock_table.hpp"

#include "race_findings.hpp"

#include <coroscope/instrumentation/snapshots.hpp>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

namespace coroscope::instrumentation::detail {

using coroscope::detail::access;
using coroscope::detail::lock_use;

// An acquire that changes nothing is the end of a wait: the lock was handed over before.
void lock_table::note(const access& made) {
    const auto at = recorder_.now();
    switch (made.kind) {
    case access_kind::release: give_back(made.object); break;
    case access_kind::acquire:
        if (at.key == 0) { break; }
        if (made.lock == lock_use::lock && made.changes) { request(made, at, false); }
        take(made, at);
        break;
    case access_kind::test:
        if (at.key != 0 && made.changes) { request(made, at, true); }
        break;
    case access_kind::read:
    case access_kind::write: break;
    }
}

void lock_table::take(const access& made, const race_recorder::present& at) {
    auto& unit = units_.at(at.key);
    waits_.erase(at.key);
    give_back(made.object);
    auto locks = unit.locks != nullptr ? std::make_shared<lock_set>(*unit.locks)
                                       : std::make_shared<lock_set>();
    locks->push_back({made.object, made.id, next_acquisition_++, at.step, made.where});
    units_.set_locks(unit, std::move(locks));
    holders_[made.object] = at.key;
}

// By whichever unit: a lock may be given back by another task than the one that took it.
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
    const auto* unit = units_.find(at.key);
    const bool holds_others = unit != nullptr && unit->locks != nullptr;
    if (!holds_others) {
        if (waits) { waits_.erase(at.key); }
        return;
    }
    auto record = std::make_shared<access_record>();
    if (!recorder_.identify(at, *record, made.where)) { return; }
    order_.note_request(record, made.object, made.id);
    if (!waits) { return; }
    waits_[at.key] = {made.object, record};
    look_for_deadlock(at.key);
}

// Whoever gave up has gone on since.
bool lock_table::still_waits(std::uint64_t key) const {
    return recorder_.is_still_at(key, waits_.at(key).request->step);
}

void lock_table::look_for_deadlock(std::uint64_t from) {
    std::vector<std::uint64_t> circle{from};
    for (std::size_t i = 0; i < circle.size() && i < waits_.size(); ++i) {
        const auto wait = waits_.find(circle[i]);
        if (wait == waits_.end()) { return; }
        const auto holder = holders_.find(wait->second.lock);
        if (holder == holders_.end()) { return; }
        if (holder->second == from) {
            if (std::ranges::all_of(circle, [&](auto key) { return still_waits(key); })) {
                report(circle);
            }
            return;
        }
        circle.push_back(holder->second);
    }
}

void lock_table::report(const std::vector<std::uint64_t>& circle) {
    std::uint64_t key = 0;
    for (const auto member : circle) {
        key += race_key(2000, waits_[member].request->where);
    }
    const auto make = [&] {
        report::finding made;
        made.rule = "deadlock";
        made.severity = report::severity::error;
        made.verdict = report::verdict::predicted;  // one of the waits may have a time limit
        std::vector<report::source_position> places;
        std::string separator;
        const char* which = "first";
        for (const auto member : circle) {
            const auto& wait = waits_[member];
            const auto& who = *wait.request->who;
            const auto& holder = units_.at(holders_[wait.lock]);
            places.push_back(position_of(wait.request->where));
            made.message += std::exchange(separator, "; ") + unit_text(who) + " waits at "
                            + site_text(wait.request->where) + " for a mutex that "
                            + unit_text(*holder.facts) + " holds";
            add_unit(made, (std::string(which) + " task").c_str(), who);
            add_stack(made, std::string(which) + " request",
                      "waits at " + site_text(wait.request->where), *wait.request);
            for (const auto& held : *wait.request->locks) {
                made.evidence.push_back(
                    {std::string(which) + " lock",
                     "mutex " + std::to_string(held.id) + " at " + site_text(held.at),
                     position_of(held.at),
                     {}});
            }
            which = "next";
        }
        made.message +=
            ": none of them can go on unless one gives up. Take the locks in one order "
            "everywhere.";
        made.evidence.push_back(
            {"missing order", "the locks were taken in different orders", {}, {}});
        std::ranges::sort(places, {}, [](const auto& p) { return p.function + to_string(p); });
        made.where = places.front();
        made.fingerprint = make_fingerprint(made.rule, places);
        return made;
    };
    log_.add(key, [&] { return race_candidate{make(), {}}; });
}

void lock_table::forget(const void* lock) {
    if (holders_.contains(lock)) { give_back(lock); }
    order_.forget(lock);
}

}  // namespace coroscope::instrumentation::detail
