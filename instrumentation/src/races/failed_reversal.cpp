// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/races/race_candidate.hpp>

#include "race_findings.hpp"
#include "race_records.hpp"

#include <coroscope/instrumentation/snapshots.hpp>

#include <array>
#include <memory>
#include <string>
#include <string_view>

namespace coroscope::instrumentation {
namespace {

using detail::access_record;
using detail::unit_facts;
using thing_kind = seen_use::thing;

[[nodiscard]] std::shared_ptr<const unit_facts> facts_of(const seen_use& use) {
    return std::make_shared<const unit_facts>(
        unit_facts{use.who, use.name, use.created.call(), use.created});
}

[[nodiscard]] bool has_line(const seen_use& use) noexcept {
    return use.where.line() != 0 || use.code != nullptr;
}

[[nodiscard]] access_record record_of(const seen_use& use) {
    access_record made;
    made.who = facts_of(use);
    made.where = has_line(use)                ? use.where
                 : use.resumed_at.line() != 0 ? use.resumed_at
                                              : use.created.call();
    made.code = use.where.line() != 0 ? nullptr : use.code;
    made.resumed_at = use.resumed_at;
    made.awaited_in = use.awaited_in;
    made.callers = use.callers;
    return made;
}

[[nodiscard]] std::string did(const seen_use& use) {
    switch (use.what) {
    case thing_kind::data: return use.changes ? "changed it" : "read it";
    case thing_kind::object: return use.changes ? "changed its state" : "looked at it";
    case thing_kind::unseen: break;
    }
    return "went on";
}

/// `at bank.cpp:12 in deposit`.
[[nodiscard]] std::string place_text(const seen_use& use, const report::source_position& at) {
    if (!has_line(use) && use.resumed_at.line() == 0) { return "in its first step"; }
    const auto function = at.function.empty() ? std::string("an unknown function") : at.function;
    if (at.empty()) { return "in " + function; }
    return (has_line(use) ? "at " : "after ") + to_string(at) + " in " + function;
}

[[nodiscard]] std::string thing_text(const seen_use& use) {
    if (use.mutex != 0) { return "mutex " + std::to_string(use.mutex); }
    if (use.what == thing_kind::data && use.place.address != nullptr) {
        auto name = detail::name_of_memory(use.place).text;
        if (!name.empty()) { return name; }
    }
    switch (use.what) {
    case thing_kind::data: return "a variable";
    case thing_kind::object: return "an object that synchronises";
    case thing_kind::unseen: break;
    }
    return "something that nobody has told of,";
}

/// One side, as the message and the evidence tell of it.
struct told_side {
    explicit told_side(const seen_use& of)
        : use(of),
          record(record_of(of)),
          at(detail::place_of_access(record)),
          who(detail::unit_text(*record.who)),
          text(did(of) + " " + place_text(of, at)) {}

    const seen_use& use;
    access_record record;
    report::source_position at;
    std::string who;
    std::string text;  ///< what it did, and where
};

/// `task 3 read 'sum' at bank.cpp:12 in deposit before task 2 changed it at ...`.
[[nodiscard]] std::string other_order_of(const failed_reversal& of) {
    const told_side earlier(of.earlier);
    const told_side later(of.later);
    return later.who + " " + later.text + " before " + earlier.who + " " + earlier.text;
}

[[nodiscard]] std::string when_it_fails(const failed_reversal& of) {
    if (of.fails_as_seen) {
        return "in this order the test fails, and where the second of these comes first it does "
               "not";
    }
    std::string also;
    for (const auto& each : of.also) {
        also += ", once " + other_order_of(each) + ",";
    }
    return "where the second of these comes first" + also + (also.empty() ? "," : "")
           + " the test fails";
}

[[nodiscard]] std::string message_of(const failed_reversal& of, const told_side& earlier,
                                     const told_side& later) {
    const bool is_seen = earlier.use.what != thing_kind::unseen;
    const auto steps = is_seen ? earlier.who + " and " + later.who + " use "
                                     + thing_text(earlier.use) + ", and nothing orders that: "
                               : std::string("nothing orders two steps: ");
    return steps + earlier.who + " " + earlier.text + ", and " + later.who + " " + later.text
           + "; " + when_it_fails(of)
           + ". Let the one await the other, or hold a mutex in both from the first access of what belongs "
             "together to the last.";
}

}  // namespace

report::finding describe(const failed_reversal& of) {
    const told_side earlier(of.earlier);
    const told_side later(of.later);
    report::finding made;
    made.rule = of.earlier.what == thing_kind::unseen ? "unordered-steps" : "unordered-uses";
    made.severity = report::severity::error;
    made.verdict = report::verdict::confirmed;
    made.where = later.at;
    made.fingerprint = report::make_fingerprint(made.rule, std::array{earlier.at, later.at});
    made.message = message_of(of, earlier, later);
    made.evidence.push_back({"variable",
                             thing_text(of.earlier) + " used " + place_text(of.earlier, earlier.at),
                             earlier.at,
                             {}});
    detail::add_unit(made, "first task", *earlier.record.who);
    detail::add_unit(made, "other task", *later.record.who);
    detail::add_stack(made, "first access", earlier.text, earlier.record);
    detail::add_resumption(made, "await of the first task", earlier.record);
    detail::add_stack(made, "other access", later.text, later.record);
    detail::add_resumption(made, "await of the other task", later.record);
    made.evidence.push_back({"missing order",
                             "nothing orders what " + earlier.who + " did and what " + later.who
                                 + " did, " + place_text(of.later, later.at),
                             {},
                             {}});
    for (const auto& each : of.also) {
        made.evidence.push_back({"turned round as well", other_order_of(each), {}, {}});
        detail::add_holds(made, each.holds, {facts_of(each.earlier), facts_of(each.later)});
    }
    detail::add_holds(made, of.holds, {earlier.record.who, later.record.who},
                      of.fails_as_seen ? order_that_passes : "schedule");
    return made;
}

}  // namespace coroscope::instrumentation
