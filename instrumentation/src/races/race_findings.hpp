// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "race_judge.hpp"
#include "race_records.hpp"

#include <coroscope/instrumentation/races/race_candidate.hpp>

#include <coroscope/report/finding.hpp>

#include <string>
#include <vector>

namespace coroscope::instrumentation::detail {

/// What was found, with the variables' names: of the first two accesses, and of the second where
/// that is another.
struct judged_triple {
    race_rule rule{};
    const access_triple& accesses;
    variable_label variable;
    variable_label second_variable;
};

[[nodiscard]] report::finding describe_triple(const judged_triple& judged);
/// Steers into the order first, other, second.
[[nodiscard]] std::vector<race_hold> holds_for(const access_triple& of);

/// `'balance'`, or `the variable made at bank.cpp:12`, or what lies there.
[[nodiscard]] std::string label_text(const variable_label& label);
/// The same as evidence, with where it was made.
void add_variable(report::finding& to, const variable_label& label);
/// `task 3 (alice)`, `callback 7`.
[[nodiscard]] std::string unit_text(const unit_facts& who);
/// `mutex 3`.
[[nodiscard]] std::string lock_text(const held_lock& lock);
/// `bank.cpp:12 in deposit`.
[[nodiscard]] std::string site_text(const await_site& site);

/// Its line: as it was given, or as debug information has it.
[[nodiscard]] report::source_position place_of_access(const access_record& access);
/// `bank.cpp:12 in deposit`.
[[nodiscard]] std::string line_of(const access_record& access);

/// Who, and where it was made.
void add_unit(report::finding& to, const char* label, const unit_facts& who);
/// `label` at this line, with the async stack of the access.
void add_stack(report::finding& to, std::string label, std::string text,
               const access_record& access);
/// `label`: where the access' unit had been resumed from.
void add_resumption(report::finding& to, const std::string& label, const access_record& made);
/// `label`: what to hold.
void add_holds(report::finding& to, const std::vector<race_hold>& holds,
               const std::vector<std::shared_ptr<const unit_facts>>& units,
               const char* label = "schedule");
/// `replay`: nobody has to be held for it to happen again. Who knows a schedule puts it there.
void add_default_order(report::finding& to);

}  // namespace coroscope::instrumentation::detail
