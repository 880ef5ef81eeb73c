// SPDX-License-Identifier: Apache-2.0
#include "race_findings.hpp"
#include "race_recorder.hpp"

#include <algorithm>
#include <string_view>

// What the accesses of a segment that has ended make of those before.

namespace coroscope::instrumentation::detail {
namespace {

/// A step may have several segments, which nobody comes between, unless somebody did.
[[nodiscard]] bool is_one_step(const access_triple& of) noexcept {
    return of.first.step == of.second.step && !of.has_happened();
}

constexpr std::size_t most_effects = 8;

/// Of what one segment did to a group, its last access stands for all; a read of a part is none of
/// the group.
[[nodiscard]] bool is_looked_at(const variable_history& group, const access_record& other) {
    if (other.is_whole) { return true; }
    return other.is_write() && std::ranges::none_of(group.records(), [&](const auto& each) {
               return each->is_whole && each->is_write() && each->segment == other.segment;
           });
}

[[nodiscard]] bool is_one_function(const await_site& a, const await_site& b) noexcept {
    return std::string_view(a.function_name()) == b.function_name();
}

[[nodiscard]] std::uint64_t key_of_triple(race_rule rule, const access_triple& of) noexcept {
    return race_key(to_string(rule), {number_of_place(of.first), number_of_place(of.other),
                                      number_of_place(of.second)});
}

}  // namespace

void race_recorder::judge(const unjudged& what) {
    if (what.is_group) {
        const auto group = groups_.find(what.object);
        if (group == groups_.end()) { return; }
        judge_as_second(what, group->second.history, group->second.label);
        judge_as_other(what, group->second.history, group->second.label);
        return;
    }
    // Of what the compiler saw, a stale write is all that is told: a read alone makes none.
    if (what.record->code != nullptr && !what.record->is_write()) { return; }
    const auto variable = variables_.find(what.object);
    if (variable == variables_.end()) { return; }
    judge_as_second(what, variable->second.history, variable->second.label);
    judge_as_other(what, variable->second.history, variable->second.label);
    if (!what.record->is_write()) { return; }
    judge_change(what, variable->second);
    judge_effect(what);
}

void race_recorder::judge_as_second(const unjudged& what, const variable_history& in,
                                    const variable_label& label) {
    const auto first = what.record->previous;
    if (first == nullptr || (!what.is_group && is_harmless(*first, *what.record))) { return; }
    for (const auto& other : in.records()) {
        if (other->who->agent == what.record->who->agent) { continue; }
        if (what.is_group && !is_looked_at(in, *other)) { continue; }
        judge_triple(what.is_group, {*first, *other, *what.record}, label);
    }
}

void race_recorder::judge_as_other(const unjudged& what, const variable_history& in,
                                   const variable_label& label) {
    if (what.is_group && !is_looked_at(in, *what.record)) { return; }
    for (const auto& second : in.records()) {
        if (second->previous == nullptr || second->who->agent == what.record->who->agent
            || second->order > what.record->order
            || (!what.is_group && is_harmless(*second->previous, *second))) {
            continue;
        }
        judge_triple(what.is_group, {*second->previous, *what.record, *second}, label);
    }
}

void race_recorder::judge_triple(bool is_group, const access_triple& of,
                                 const variable_label& label) {
    if (!is_group && !of.overlaps()) { return; }
    const auto rule = is_group ? judge_group(of) : judge_variable(of);
    // Of what the compiler saw, nobody knows whether a value was tested: containers look again and
    // again at their own parts.
    if (of.is_of_code() && rule != race_rule::stale_write) { return; }
    if (rule == race_rule::none || is_one_step(of) || !can_come_between(of)) { return; }
    if (of.first.benign != nullptr || of.other.benign != nullptr || of.second.benign != nullptr) {
        log_.count_benign();
        return;
    }
    log_.add(key_of_triple(rule, of), [&] {
        return race_candidate{describe_triple({rule, of, label, label}), holds_for(of)};
    });
}

void race_recorder::report_guard(const access_triple& of, const void* tested, const void* written) {
    if (judge_guard(of) == race_rule::none || is_one_step(of) || !can_come_between(of)) { return; }
    if (of.first.benign != nullptr || of.other.benign != nullptr || of.second.benign != nullptr) {
        log_.count_benign();
        return;
    }
    const auto first = variables_.find(tested);
    const auto second = variables_.find(written);
    if (first == variables_.end() || second == variables_.end()) { return; }
    const auto rule = race_rule::check_then_act;
    log_.add(key_of_triple(rule, of), [&] {
        return race_candidate{
            describe_triple({rule, of, first->second.label, second->second.label}), holds_for(of)};
    });
}

void race_recorder::judge_effect(const unjudged& what) {
    const auto guards = guards_.find(race_units::key_of(what.record->who->agent));
    if (guards == guards_.end()) { return; }
    for (const auto& each : guards->second) {
        const auto tested = variables_.find(each.variable);
        const bool is_guarded =
            each.variable != what.object && each.test != nullptr && tested != variables_.end()
            && each.test->segment != what.record->segment && each.test->order < what.record->order
            && is_one_function(each.test->where, what.record->where);
        if (!is_guarded) { continue; }
        for (const auto& other : tested->second.history.records()) {
            if (other->who->agent == what.record->who->agent) { continue; }
            report_guard({*each.test, *other, *what.record}, each.variable, what.object);
        }
        keep_newest(tested->second.effects, {each, what.object, what.record}, most_effects);
    }
}

void race_recorder::judge_change(const unjudged& what, const variable_state& changed) {
    for (const auto& each : changed.effects) {
        if (each.effect->who->agent == what.record->who->agent) { continue; }
        report_guard({*each.by.test, *what.record, *each.effect}, what.object, each.variable);
    }
}

}  // namespace coroscope::instrumentation::detail
