// SPDX-License-Identifier: Apache-2.0
#include "granules.hpp"
#include "kept_records.hpp"
#include "race_judge.hpp"
#include "thread_races.hpp"

#include <algorithm>
#include <functional>
#include <iterator>
#include <string>
#include <utility>

// What the accesses of jobs and the loop make of each other.

namespace coroscope::instrumentation::detail {
namespace {

constexpr std::size_t records_of_a_variable = 16;
constexpr std::size_t most_met = 64;
/// Of variables that several units share; then all are forgotten.
constexpr std::size_t most_variables = std::size_t{1} << 17U;

[[nodiscard]] bool hold_one_mutex(const access_record& a, const access_record& b) {
    return a.locks != nullptr && b.locks != nullptr && exclude_each_other(*a.locks, *b.locks);
}

/// Neither tears the other.
[[nodiscard]] bool are_whole(const access_record& a, const access_record& b) {
    const auto is_atomic = [](const access_record& each) {
        return static_cast<const thread_record&>(each).is_atomic();
    };
    return hold_one_mutex(a, b) || (is_atomic(a) && is_atomic(b));
}

/// What findings tell of, for use without the lock.
[[nodiscard]] thread_pointer without_clocks(const access_record& from) {
    auto made = std::make_shared<thread_record>();
    made->who = from.who;
    made->order = from.order;
    made->kind = from.kind;
    made->where = from.where;
    made->code = from.code;
    made->resumed_at = from.resumed_at;
    made->awaited_in = from.awaited_in;
    made->callers = from.callers;
    return made;
}

/// Of a crowd one that no write follows from, else the oldest: a race is of two accesses, whoever
/// has ended. A later read clears an earlier one, as `make_room` has it.
void make_room_for_pair(std::vector<thread_pointer>& records, std::uint64_t path) {
    const auto like = static_cast<std::size_t>(
        std::ranges::count(records, path, [](const auto& each) { return each->path; }));
    std::size_t place = 0;
    if (like >= records.size() / 4) {
        place = least_needed(records, path, like,
                             [](const thread_record& each) { return each.is_followed; });
    }
    const bool is_read = !records[place]->is_write();
    const auto unit = records[place]->who->agent;
    drop_record(records, place);
    while (is_read && place-- > 0) {
        const auto& each = *records[place];
        if (each.who->agent == unit && !each.is_write()) { drop_record(records, place); }
    }
}

[[nodiscard]] bool is_benign(const access_record& a) noexcept {
    return a.benign != nullptr;
}

}  // namespace

void thread_races::note_bytes(std::uint32_t part, const coroscope::detail::access& made) {
    for_each_granule(made, [&](std::uintptr_t granule, std::uint8_t bytes) {
        note_granule(granule, part, {made.code, made.kind, bytes, made.atomic});
    });
}

void thread_races::note_granule(std::uintptr_t where, std::uint32_t part,
                                const thread_memory::seen& made) {
    auto& in = memory_;
    if (variables_.size() >= most_variables && !variables_.contains(where)) { forget_accesses(); }
    auto* cell = in.at(where);
    if (cell == nullptr) {
        log_->count_dropped();
        forget_accesses();
        cell = in.at(where);
    }
    if (in.keep(*cell, made, part)) { return; }
    auto& known = variables_[where];
    name_bytes(known.label, reinterpret_cast<const void*>(where), made.bytes);  // NOLINT: as it was
    if (!cell->is_shared()) {
        for (const auto& each : in.share(*cell)) {
            link(known, *each);
            add(known, each);
        }
    }
    auto record = std::make_shared<thread_record>(in.part(part));
    record->order = next_order_++;
    record->kind = made.kind;
    record->bytes = made.bytes;
    record->code = made.code;
    record->atomic = made.atomic;
    record->is_computed = made.kind == access_kind::read;
    link(known, *record);
    judge(where, known, record);
    if (is_over(known, *record)) {
        report_if([&](const met& each) { return each.where == where; });
        variables_.erase(where);
        in.clear(*cell);
        static_cast<void>(in.keep(*cell, made, part));
        return;
    }
    add(known, record);
}

std::uint64_t thread_races::note_annotated(std::uint32_t part, const annotated_access& made) {
    const auto where = reinterpret_cast<std::uintptr_t>(made.object);
    auto record = std::make_shared<thread_record>(memory_.part(part));
    record->order = next_order_++;
    record->kind = made.kind;
    record->value = made.value;
    record->derived_from = made.from.object == made.object ? made.from.segment : 0;
    record->where = made.where;
    if (made.from.object != nullptr) { note_value_used_locked(made.from, value_use::computed); }
    if (variables_.size() >= most_variables && !variables_.contains(where)) { forget_accesses(); }
    auto& known = variables_[where];
    if (known.label.name == nullptr) { known.label = made.label; }
    link(known, *record);
    judge(where, known, record);
    add(known, record);
    return record->segment;
}

void thread_races::note_value_used(const provenance& from, value_use how) {
    const entry inside(*this);
    note_value_used_locked(from, how);
}

void thread_races::note_value_used_locked(const provenance& from, value_use how) {
    const auto in = variables_.find(reinterpret_cast<std::uintptr_t>(from.object));
    if (in == variables_.end()) { return; }
    for (const auto& each : in->second.records) {
        if (each->segment != from.segment || each->is_write()) { continue; }
        (how == value_use::tested ? each->is_tested : each->is_computed) = true;
    }
}

// A write after a read in the same segment is that read's; otherwise it may be one of an earlier
// read.
void thread_races::link(const variable& in, thread_record& made) {
    if (!made.is_write()) { return; }
    if (made.atomic == atomicity::change) { made.value = written_value::update; }
    for (auto each = in.records.rbegin(); each != in.records.rend(); ++each) {
        const auto& read = **each;
        const bool is_read = !read.is_write() && read.who->agent == made.who->agent;
        if (!is_read || (read.bytes & made.bytes) == 0) { continue; }
        if (read.segment != made.segment) {
            (*each)->is_followed = true;
            made.previous = *each;
            return;
        }
        if (read.is_used() && made.value == written_value::unknown) {
            made.value = written_value::update;
            return;
        }
    }
}

// Of those that one unit made at one place the last one counts: who is not ordered with an earlier
// one is not with that.
void thread_races::add(variable& in, const thread_pointer& made) {
    const auto same = std::ranges::find_if(in.records, [&](const auto& each) {
        return each->who->agent == made->who->agent && each->kind == made->kind
               && is_one_place(*each, *made);
    });
    made->path = deed_at(*made);
    if (same != in.records.end()) {
        drop_record(in.records, static_cast<std::size_t>(same - in.records.begin()));
    } else if (in.records.size() == records_of_a_variable) {
        make_room_for_pair(in.records, made->path);
    }
    in.records.push_back(made);
}

/// Nobody else has a part in it any more.
bool thread_races::is_over(const variable& in, const thread_record& latest) {
    return latest.is_write() && std::ranges::all_of(in.records, [&](const auto& each) {
               return each->unit != latest.unit
                      && comes_before(static_cast<const access_record&>(*each), latest);
           });
}

void thread_races::judge(std::uintptr_t where, const variable& in, const thread_pointer& latest) {
    for (const auto& each : in.records) {
        if (each->unit == latest->unit || (each->bytes & latest->bytes) == 0) { continue; }
        judge_pair(where, each, latest);
        if (comes_before(static_cast<const access_record&>(*each), *latest)) { continue; }
        if (latest->previous != nullptr) { judge_triple(in, {*latest->previous, *each, *latest}); }
        if (each->previous != nullptr) { judge_triple(in, {*each->previous, *latest, *each}); }
    }
}

// What the compiler saw is judged by the order of this run, of which it told all. Of annotations
// nobody knows what else orders threads: there, that one thread did both is no reason.
void thread_races::judge_pair(std::uintptr_t where, const thread_pointer& earlier,
                              const thread_pointer& later) {
    const bool is_of_code = earlier->code != nullptr && later->code != nullptr;
    const bool is_ordered = is_of_code ? comes_before(earlier->by_thread, later->by_thread)
                                       : comes_before(earlier->by_job, later->by_job);
    const bool conflict = earlier->is_write() || later->is_write();
    if (is_ordered || !conflict || are_whole(*earlier, *later)) { return; }
    if (is_benign(*earlier) || is_benign(*later)) {
        log_->count_benign();
        return;
    }
    const auto known = std::ranges::find_if(met_, [&](const met& each) {
        const auto is = [&](const thread_record& a, const thread_record& b) {
            return a.who->agent == earlier->who->agent && b.who->agent == later->who->agent;
        };
        return each.where == where
               && (is(*each.earlier, *each.later) || is(*each.later, *each.earlier));
    });
    if (known != met_.end()) { return; }
    if (met_.size() == most_met) {
        report(met_.front());
        met_.erase(met_.begin());
    }
    met_.push_back({where, earlier, later, is_of_code});
}

// Where nothing orders two accesses, that is told already.
void thread_races::judge_triple(const variable& in, const access_triple& of) {
    const auto rule = judge_variable(of);
    const bool is_stale = rule == race_rule::stale_write || rule == race_rule::check_then_act;
    if (!is_stale || !of.overlaps() || !are_whole(of.first, of.other)
        || !are_whole(of.other, of.second) || !can_come_between(of)) {
        return;
    }
    if (is_benign(of.first) || is_benign(of.other) || is_benign(of.second)) {
        log_->count_benign();
        return;
    }
    const auto key =
        race_key(to_string(rule), {number_of_place(of.first), number_of_place(of.second)});
    found_.push_back([key, rule, label = in.label, first = without_clocks(of.first),
                      other = without_clocks(of.other),
                      second = without_clocks(of.second)](race_log& to) {
        const access_triple again{*first, *other, *second};
        to.add(key, [&] {
            return race_candidate{describe_triple({rule, again, label, label}), {}};
        });
    });
}

// --- Reports

void thread_races::report(const met& what) {
    thread_race race{what.earlier, what.later, {}, {}, what.has_happened};
    const auto is_of_both = [&](const thread_record& each) {
        return each.who->agent == what.earlier->who->agent
               || each.who->agent == what.later->who->agent;
    };
    const auto in = variables_.find(what.where);
    if (in != variables_.end()) {
        race.variable = in->second.label;
        std::ranges::copy_if(in->second.records, std::back_inserter(race.all),
                             [&](const auto& each) { return is_of_both(*each); });
    }
    for (const auto& each : {what.earlier, what.later}) {
        const bool is_known = std::ranges::any_of(race.all, [&](const auto& other) {
            return other->who->agent == each->who->agent && other->kind == each->kind
                   && is_one_place(*other, *each);
        });
        if (!is_known) { race.all.push_back(each); }
    }
    std::ranges::sort(race.all, {}, [](const auto& each) { return each->order; });
    for (auto& each : race.all) {
        each = without_clocks(*each);
    }
    race.earlier = without_clocks(*race.earlier);
    race.later = without_clocks(*race.later);
    found_.push_back([race = std::move(race)](race_log& to) {
        auto made = describe_thread_race(race);
        const auto key = std::hash<std::string>()(made.fingerprint);
        to.add(key, [&] { return race_candidate{std::move(made), {}}; });
    });
}

void thread_races::report_if(const std::function<bool(const met&)>& which) {
    if (met_.empty()) { return; }
    std::vector<met> left;
    for (const auto& each : std::exchange(met_, {})) {
        if (which(each)) {
            report(each);
        } else {
            left.push_back(each);
        }
    }
    met_ = std::move(left);
}

}  // namespace coroscope::instrumentation::detail
