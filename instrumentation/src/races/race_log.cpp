// SPDX-License-Identifier: Apache-2.0
#include "race_log.hpp"

#include <coroscope/instrumentation/races/race_rules.hpp>

#include <algorithm>
#include <bit>
#include <functional>
#include <stdexcept>
#include <utility>

namespace coroscope::instrumentation::detail {
namespace {

[[nodiscard]] bool contains_text(const std::string& text, const std::string& part) {
    return part.empty() || text.find(part) != std::string::npos;
}

[[nodiscard]] bool any_evidence(const report::finding& made,
                                const std::function<bool(const report::evidence_item&)>& is) {
    return std::ranges::any_of(made.evidence, is);
}

[[nodiscard]] bool matches(const race_suppression& rule, const report::finding& made) {
    const bool symbol =
        rule.symbol.empty() || any_evidence(made, [&](const auto& item) {
            const bool is_name = item.label == "variable" || item.label == "lock";
            return (is_name && contains_text(item.text, rule.symbol))
                   || (!item.where.empty() && contains_text(item.where.function, rule.symbol));
        });
    const bool file = rule.file.empty() || any_evidence(made, [&](const auto& item) {
                          return !item.where.empty() && contains_text(item.where.file, rule.file);
                      });
    const bool task =
        rule.task.empty() || any_evidence(made, [&](const auto& item) {
            return item.label.ends_with("task") && contains_text(item.text, "(" + rule.task + ")");
        });
    return (rule.rule.empty() || rule.rule == made.rule) && symbol && file && task;
}

}  // namespace

std::vector<race_suppression> race_log::checked(std::vector<race_suppression> suppressions) {
    for (const auto& each : suppressions) {
        if (each.rule.empty() || is_race_rule(each.rule)) { continue; }
        std::string known;
        for (const auto rule : race_rules()) {
            known += (known.empty() ? "" : ", ") + std::string(rule);
        }
        throw std::invalid_argument("a race_suppression names the rule '" + each.rule
                                    + "', which there is not; known are " + known);
    }
    return suppressions;
}

bool race_log::count_known(std::uint64_t key) {
    if (findings_->count_again(key).has_value()) { return true; }
    const std::scoped_lock lock(mutex_);
    if (std::ranges::find(suppressed_, key) == suppressed_.end()) { return false; }
    ++benign_;
    return true;
}

void race_log::add(report::finding made) {
    const auto key = std::hash<std::string>()(made.fingerprint);
    const bool has_happened = made.verdict == report::verdict::confirmed;
    if (has_happened && findings_->confirm(key, made)) { return; }
    add(key, [&] { return race_candidate{std::move(made), {}}; });
}

void race_log::add_new(std::uint64_t key, race_candidate made) {
    if (is_suppressed(made.what)) {
        const std::scoped_lock lock(mutex_);
        if (suppressed_.size() < capacity_) { suppressed_.push_back(key); }
        ++benign_;
        return;
    }
    if (!findings_->add(key, made.what) || made.holds.empty()) { return; }
    const std::scoped_lock lock(mutex_);
    candidates_.push_back(std::move(made));
}

bool race_log::is_suppressed(const report::finding& made) const {
    return std::ranges::any_of(suppressions_,
                               [&](const auto& rule) { return matches(rule, made); });
}

void race_log::count_benign() noexcept {
    const std::scoped_lock lock(mutex_);
    ++benign_;
}

std::vector<race_candidate> race_log::candidates() const {
    const std::scoped_lock lock(mutex_);
    return candidates_;
}

std::uint64_t race_log::benign() const {
    const std::scoped_lock lock(mutex_);
    return benign_;
}

std::uint64_t race_key(std::string_view what,
                       std::initializer_list<std::uint64_t> places) noexcept {
    std::uint64_t key = std::hash<std::string_view>()(what);
    for (const auto place : places) {
        key = (key ^ place) * 0x9e3779b97f4a7c15U;
        key ^= key >> 29U;
    }
    return key;
}

std::uint64_t race_key(std::string_view what, const await_site& first,
                       const await_site& second) noexcept {
    return race_key(what,
                    {std::bit_cast<std::uint64_t>(first), std::bit_cast<std::uint64_t>(second)});
}

}  // namespace coroscope::instrumentation::detail
