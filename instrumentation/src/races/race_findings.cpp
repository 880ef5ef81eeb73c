// SPDX-License-Identifier: Apache-2.0
#include "race_findings.hpp"

#include "code_frames.hpp"
#include "lint_findings.hpp"

#include <coroscope/instrumentation/detail/memory_names.hpp>
#include <coroscope/instrumentation/snapshots.hpp>

#include <array>
#include <string_view>
#include <utility>

namespace coroscope::instrumentation::detail {
namespace {

[[nodiscard]] const char* did(const access_record& access) noexcept {
    return access.is_write() ? "wrote" : "read";
}

[[nodiscard]] report::stack_frame frame_of(const access_record& access) {
    if (access.code == nullptr) { return to_frame(access.where); }
    return users_frame_at(access.code);
}

[[nodiscard]] std::string what_second_did(const judged_triple& judged) {
    const auto& second = judged.accesses.second;
    switch (judged.rule) {
    case race_rule::stale_write:
        return "wrote at " + line_of(second) + " what it had computed from that read";
    case race_rule::check_then_act:
        return std::string(second.is_write() ? "wrote " : "read ")
               + label_text(judged.second_variable) + " at " + line_of(second)
               + " because of a test of what it had read";
    case race_rule::torn_group:
        return std::string(did(second)) + " another part of it at " + line_of(second);
    case race_rule::none:
    case race_rule::unserialisable: break;
    }
    return std::string(did(second)) + " it again at " + line_of(second);
}

[[nodiscard]] std::string what_goes_wrong(const judged_triple& judged) {
    switch (judged.rule) {
    case race_rule::stale_write: return "that write is lost";
    case race_rule::check_then_act: return "the test no longer holds";
    case race_rule::torn_group:
        return judged.accesses.first.is_write() ? "half of an update is visible"
                                                : "what was read is half old and half new";
    case race_rule::none:
    case race_rule::unserialisable: break;
    }
    return "no order of the two tasks, one after the other, gives that ("
           + std::string(pattern_of(judged.accesses)) + ")";
}

[[nodiscard]] const char* cure_for(race_rule rule) noexcept {
    switch (rule) {
    case race_rule::stale_write:
        return "Hold a mutex from the read to the write, or read again after the co_await and use "
               "that value, or use update().";
    case race_rule::check_then_act:
        return "Test again after the co_await, or hold a mutex from the test to what follows.";
    case race_rule::torn_group:
        return "Access all of the group with no co_await between, or under one mutex.";
    case race_rule::none:
    case race_rule::unserialisable: break;
    }
    return "Hold a mutex across both accesses, or make them one step.";
}

[[nodiscard]] std::string missing_order(const access_triple& of) {
    return "nothing orders the access of " + unit_text(*of.other.who) + " at " + line_of(of.other)
           + " before the first access of " + unit_text(*of.first.who) + " at " + line_of(of.first)
           + " or after its second at " + line_of(of.second);
}

[[nodiscard]] bool is_in_thread(const access_triple& of) noexcept {
    const auto is_of_thread = [](const access_record& each) {
        return (each.who->agent.id & job_id_bit) != 0;
    };
    return is_of_thread(of.first) || is_of_thread(of.other);
}

[[nodiscard]] std::string message_of(const judged_triple& judged) {
    const auto& [first, other, second] = judged.accesses;
    const bool has_happened = judged.accesses.has_happened();
    return unit_text(*first.who) + " " + did(first) + " " + label_text(judged.variable) + " at "
           + line_of(first) + (is_in_thread(judged.accesses) ? ", and later " : ", awaited, and ")
           + what_second_did(judged) + "; "
           + (has_happened ? "between the two, " : "in another order, between the two, ")
           + unit_text(*other.who) + (has_happened ? " " : " could have ")
           + (has_happened ? did(other) : (other.is_write() ? "written" : "read")) + " it at "
           + line_of(other) + ", so that " + what_goes_wrong(judged) + ". " + cure_for(judged.rule);
}

[[nodiscard]] memory_name name_of_label(const variable_label& label) {
    return name_of_memory(place_in_memory(label.address));
}

/// The await of its own function, if it is known.
[[nodiscard]] const await_site& await_of(const access_record& access) noexcept {
    return access.awaited_in.line() != 0 ? access.awaited_in : access.resumed_at;
}

[[nodiscard]] std::string await_text(const access_record& access) {
    const auto within =
        access.awaited_in.line() != 0 ? ", and in it at " + site_text(access.resumed_at) : "";
    return site_text(await_of(access)) + within;
}

[[nodiscard]] std::string hold_text(const race_hold& hold, const std::string& held,
                                    const std::string& until) {
    const auto await = [](std::uint32_t number) {
        return number == 0 ? std::string("its beginning")
                           : "its await number " + std::to_string(number);
    };
    return "hold " + held + " before " + await(hold.await) + " until " + until + " has passed "
           + await(hold.passed);
}

}  // namespace

std::string label_text(const variable_label& label) {
    if (label.name != nullptr) { return "'" + std::string(label.name) + "'"; }
    if (label.address != nullptr) {
        const auto name = name_of_label(label).text;
        return name.empty() ? "memory allocated where nobody looked" : name;
    }
    return "the variable made at " + coroscope::to_string(label.created_at);
}

void add_variable(report::finding& to, const variable_label& label) {
    const auto made_at =
        label.address != nullptr ? name_of_label(label).made_at : position_of(label.created_at);
    to.evidence.push_back({"variable", label_text(label), made_at, {}});
}

std::string unit_text(const unit_facts& who) {
    if (!who.agent.is_task) {
        return who.kind + (" " + std::to_string(who.agent.id & ~job_id_bit))
               + (who.name.empty() ? "" : " (" + who.name + ")");
    }
    return task_text(who.agent.id, who.name);
}

std::string lock_text(const held_lock& lock) {
    return lock.kind + (" " + std::to_string(lock.id));
}

std::string site_text(const await_site& site) {
    if (site.line() == 0) { return "an unknown place"; }
    return coroscope::to_string(site) + " in " + function_name(site);
}

void add_unit(report::finding& to, const char* label, const unit_facts& who) {
    report::evidence_item item{label,
                               unit_text(who) + ", created at " + site_text(who.created_at),
                               position_of(who.created_at),
                               {}};
    const auto sites = who.origin.sites();
    if (sites.size() > 1) {
        item.stack.emplace();
        for (const auto& site : sites) {
            item.stack->frames.push_back(to_frame(site));
        }
    }
    to.evidence.push_back(std::move(item));
}

report::source_position place_of_access(const access_record& access) {
    if (access.code == nullptr) { return position_of(access.where); }
    const auto frame = frame_of(access);
    return {frame.file, frame.line, frame.function};
}

std::string line_of(const access_record& access) {
    const auto position = place_of_access(access);
    if (position.empty()) {
        return position.function.empty() ? "an unknown place" : position.function;
    }
    return to_string(position) + " in " + position.function;
}

void add_stack(report::finding& to, std::string label, std::string text,
               const access_record& access) {
    report::evidence_item item{std::move(label), std::move(text), place_of_access(access), {}};
    item.stack.emplace().frames.push_back(frame_of(access));
    for (const auto& site : access.callers.sites()) {
        item.stack->frames.push_back(to_frame(site));
    }
    to.evidence.push_back(std::move(item));
}

void add_resumption(report::finding& to, const std::string& label, const access_record& made) {
    const bool had_begun = made.resumed_at.line() != 0;
    to.evidence.push_back(
        {label,
         had_begun ? "resumed from " + await_text(made) : std::string("in its first step"),
         position_of(await_of(made)),
         {}});
}

void add_holds(report::finding& to, const std::vector<race_hold>& holds,
               const std::vector<std::shared_ptr<const unit_facts>>& units, const char* label) {
    const auto name_of = [&](const schedule_policy::agent& agent) {
        for (const auto& unit : units) {
            if (unit->agent == agent) { return unit_text(*unit); }
        }
        return std::string("?");
    };
    for (const auto& hold : holds) {
        to.evidence.push_back(
            {label, hold_text(hold, name_of(hold.held), name_of(hold.until)), {}, {}});
    }
}

void add_default_order(report::finding& to) {
    to.evidence.push_back({"replay", "in the order that was run: nobody has to be held", {}, {}});
}

std::vector<race_hold> holds_for(const access_triple& of) {
    return {{of.other.who->agent, of.other.step, of.first.who->agent, of.first.step},
            {of.second.who->agent, of.second.step, of.other.who->agent, of.other.step}};
}

report::finding describe_triple(const judged_triple& judged) {
    const auto& [first, other, second] = judged.accesses;
    report::finding made;
    made.rule = to_string(judged.rule);
    made.severity = judged.rule == race_rule::unserialisable ? report::severity::warning
                                                             : report::severity::error;
    made.verdict = report::verdict::predicted;
    made.where = place_of_access(second);
    made.fingerprint = make_fingerprint(
        made.rule, std::array{place_of_access(first), place_of_access(other), made.where},
        judged.variable.name != nullptr ? judged.variable.name : "");
    made.message = message_of(judged);
    add_variable(made, judged.variable);
    add_unit(made, "first task", *first.who);
    add_unit(made, "other task", *other.who);
    add_stack(made, "first access", std::string(did(first)) + " at " + line_of(first), first);
    made.evidence.push_back(
        {"await between", "awaited at " + await_text(second), position_of(await_of(second)), {}});
    add_stack(made, "second access", std::string(did(second)) + " at " + line_of(second), second);
    add_stack(made, "other access", std::string(did(other)) + " at " + line_of(other), other);
    add_resumption(made, "await of the other task", other);
    made.evidence.push_back({"missing order", missing_order(judged.accesses), {}, {}});
    if (!is_in_thread(judged.accesses)) {
        add_holds(made, holds_for(judged.accesses), {first.who, other.who});
    } else {
        add_default_order(made);
    }
    return made;
}

}  // namespace coroscope::instrumentation::detail
