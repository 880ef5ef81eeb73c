// SPDX-License-Identifier: Apache-2.0
#include "starvation_watch.hpp"

#include "race_findings.hpp"

#include <coroscope/instrumentation/snapshots.hpp>

#include <coroscope/runtime/detail/loop_core.hpp>

#include <algorithm>
#include <array>
#include <iterator>
#include <string>
#include <utility>

namespace coroscope::instrumentation::detail {
namespace {

using coroscope::detail::access;
using coroscope::detail::lock_use;

/// Of a condition, whoever asked at that line, and so for the same, went on.
[[nodiscard]] bool is_look(const access& made) noexcept {
    return made.kind == access_kind::test && made.refused == nullptr && !made.changes
           && made.where.line() != 0;
}

[[nodiscard]] bool is_success(const access& made) noexcept {
    const bool is_got = made.changes || made.lock != lock_use::none || made.id != 0;
    return (made.kind == access_kind::acquire && is_got) || is_look(made);
}

}  // namespace

void starvation_watch::note(const access& made) {
    if (times_ == 0 || (made.refused == nullptr && objects_.empty())) { return; }
    const auto at = recorder_.now();
    const bool is_task = at.key != 0 && coroscope::detail::running_loop->current != nullptr;
    if (!is_task) { return; }
    if (made.refused != nullptr) {
        note_refusal(made, at);
    } else if (is_success(made)) {
        note_success(made, at);
    }
}

void starvation_watch::note_refusal(const access& made, const race_recorder::present& at) {
    const bool stands_in_line = made.lock == lock_use::lock || made.lock == lock_use::permit;
    const bool is_full = objects_.size() == most_objects;
    if ((stands_in_line || is_full) && !objects_.contains(made.object)) { return; }
    auto& askers = objects_[made.object];
    auto same = std::ranges::find(askers, at.key, &asking::unit);
    if (same != askers.end() && !is_one_site(same->first->where, made.where)) {
        askers.erase(same);  // for something else
        same = askers.end();
    }
    if (same == askers.end()) {
        if (askers.size() == most_asking) { return; }
        units_.insert(at.key);
        auto& fresh = askers.emplace_back();
        fresh.unit = at.key;
        fresh.since = ++requests_;
        fresh.step = at.step;
        fresh.refusals = 1;
        fresh.what = std::string(made.refused) + " " + std::to_string(made.id);
        fresh.first = std::make_shared<access_record>();
        recorder_.locate(at, *fresh.first, made.where);
        return;
    }
    if (same->step == at.step) { return; }
    same->step = at.step;
    ++same->refusals;
    if (same->refusals >= times_ && same->last != nullptr) { report(*same, *same->last); }
}

void starvation_watch::note_success(const access& made, const race_recorder::present& at) {
    const auto found = objects_.find(made.object);
    if (found == objects_.end()) { return; }
    auto& askers = found->second;
    const auto own = std::ranges::find(askers, at.key, &asking::unit);
    const bool has_just_come = is_look(made) || (made.lock != lock_use::none && made.changes);
    std::uint64_t since = has_just_come ? ++requests_ : 0;
    if (own != askers.end()) {
        since = own->since;
        askers.erase(own);
    }
    for (auto& each : askers) {
        if (!is_look(made) || is_one_site(each.first->where, made.where)) {
            count_pass(each, made, at, since);
        }
    }
    if (askers.empty()) { objects_.erase(found); }
}

// Who gets it a second time has come since; of the first time nobody knows. Whether the one that is
// passed still wants it, its next request says.
void starvation_watch::count_pass(asking& of, const access& made, const race_recorder::present& at,
                                  std::uint64_t asked_since) {
    const bool was_seen = std::ranges::find(of.seen, at.key) != of.seen.end();
    if (!was_seen && of.seen.size() < most_seen) { of.seen.push_back(at.key); }
    if (asked_since < of.since && !was_seen) { return; }
    if (++of.passed < times_) { return; }
    of.last = std::make_shared<access_record>();
    recorder_.locate(at, *of.last, made.where);
}

void starvation_watch::report(const asking& starved, const access_record& got) {
    const auto& asked = *starved.first;
    const auto make = [&] {
        report::finding made;
        made.rule = "starvation";
        made.severity = report::severity::warning;
        made.verdict = report::verdict::predicted;  // it may get it one day
        made.where = position_of(asked.where);
        made.fingerprint = make_fingerprint(made.rule, std::array{made.where});
        made.message = unit_text(*asked.who) + " has asked for " + starved.what + " at "
                       + site_text(asked.where) + " " + std::to_string(starved.refusals)
                       + " times and got nothing, while others who came later got it "
                       + std::to_string(starved.passed) + " times, " + unit_text(*got.who) + " at "
                       + site_text(got.where) + " last: it may wait for ever. Wait for it in its line (lock, acquire, "
                         "get), where who comes first is served first, or let those who had it "
                         "come last.";
        made.evidence.push_back({"variable", starved.what, {}, {}});
        add_unit(made, "first task", *asked.who);
        add_unit(made, "other task", *got.who);
        add_stack(made, "first access", "asked in vain at " + site_text(asked.where), asked);
        add_stack(made, "other access", "got it at " + site_text(got.where), got);
        made.evidence.push_back({"await between",
                                 "resumed from " + site_text(got.resumed_at),
                                 position_of(got.resumed_at),
                                 {}});
        made.evidence.push_back(
            {"missing order", "nothing lets the one that asked first have it first", {}, {}});
        add_default_order(made);
        return made;
    };
    log_.add(race_key("starvation", asked.where), [&] { return race_candidate{make(), {}}; });
}

void starvation_watch::forget(const void* object) {
    if (!objects_.empty()) { objects_.erase(object); }
}

void starvation_watch::end_unit(std::uint64_t key) {
    if (units_.erase(key) == 0) { return; }
    for (auto each = objects_.begin(); each != objects_.end();) {
        std::erase_if(each->second, [&](const asking& one) { return one.unit == key; });
        each = each->second.empty() ? objects_.erase(each) : std::next(each);
    }
}

}  // namespace coroscope::instrumentation::detail
