// SPDX-License-Identifier: Apache-2.0
#include "race_judge.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

namespace coroscope::instrumentation::detail {
namespace {

constexpr std::array<std::string_view, 5> race_rule_names{"", "stale-write", "check-then-act",
                                                          "torn-group", "unserialisable"};

constexpr std::array<std::string_view, 8> triple_names{"R-R-R", "R-R-W", "R-W-R", "R-W-W",
                                                       "W-R-R", "W-R-W", "W-W-R", "W-W-W"};

[[nodiscard]] std::size_t triple_number(const access_triple& of) noexcept {
    return (of.first.is_write() ? 4U : 0U) + (of.other.is_write() ? 2U : 0U)
           + (of.second.is_write() ? 1U : 0U);
}
constexpr std::size_t r_w_r = 2;
constexpr std::size_t r_w_w = 3;
constexpr std::size_t w_r_w = 5;
constexpr std::size_t w_w_r = 6;

[[nodiscard]] bool keeps_out(const std::shared_ptr<const lock_set>& locks, const held_lock& lock) {
    return locks != nullptr && std::ranges::any_of(*locks, [&](const auto& l) {
               return exclude_each_other(l, lock);
           });
}

/// One lock is held from the first to the second, and for the other.
[[nodiscard]] bool is_locked_throughout(const access_triple& of) {
    if (of.first.locks == nullptr || of.second.locks == nullptr) { return false; }
    return std::ranges::any_of(*of.first.locks, [&](const held_lock& lock) {
        const auto& later = *of.second.locks;
        const bool is_kept = std::ranges::any_of(later, [&](const held_lock& other) {
            return other.mutex == lock.mutex && other.acquisition == lock.acquisition;
        });
        return is_kept && keeps_out(of.other.locks, lock);
    });
}

/// What is written was computed from the first read, as far as anybody can tell.
[[nodiscard]] race_rule judge_write_after_read(const access_triple& of) noexcept {
    switch (of.second.value) {
    case written_value::update: return race_rule::none;
    case written_value::derived:
        if (of.second.derived_from != of.first.segment) { break; }
        return race_rule::stale_write;
    case written_value::unknown:
        if (of.first.is_tested) { return race_rule::check_then_act; }
        return of.first.is_computed ? race_rule::stale_write : race_rule::none;
    }
    return of.first.is_tested ? race_rule::check_then_act : race_rule::none;
}

[[nodiscard]] bool looks_again(const access_record& read) noexcept {
    return read.is_tested || read.value == written_value::update;
}

}  // namespace

std::string_view to_string(race_rule rule) noexcept {
    return race_rule_names[static_cast<std::size_t>(rule)];
}

std::string_view pattern_of(const access_triple& of) noexcept {
    return triple_names[triple_number(of)];
}

bool can_come_between(const access_triple& of) noexcept {
    if (comes_before(of.other, of.first) || comes_before(of.second, of.other)) { return false; }
    return !is_locked_throughout(of);
}

bool is_harmless(const access_record& first, const access_record& second) noexcept {
    if (second.is_write()) { return !first.is_write() && second.value == written_value::update; }
    return looks_again(second) || !second.is_used();
}

race_rule judge_variable(const access_triple& of) noexcept {
    switch (triple_number(of)) {
    case r_w_w: return judge_write_after_read(of);
    case r_w_r:
        if (is_harmless(of.first, of.second)) { return race_rule::none; }
        if (of.first.is_tested) { return race_rule::check_then_act; }
        return of.first.is_used() ? race_rule::unserialisable : race_rule::none;
    case w_w_r:
        return is_harmless(of.first, of.second) ? race_rule::none : race_rule::unserialisable;
    case w_r_w: return of.other.is_used() ? race_rule::unserialisable : race_rule::none;
    default: return race_rule::none;
    }
}

// A test that saw what `other` wrote is no reason to believe that it could have missed it.
race_rule judge_guard(const access_triple& of) noexcept {
    const bool is_guarded = of.first.is_tested && of.other.is_write() && of.second.is_write();
    return is_guarded && of.first.order < of.other.order ? race_rule::check_then_act
                                                         : race_rule::none;
}

race_rule judge_group(const access_triple& of) noexcept {
    if (of.first.is_whole || of.first.member == of.second.member) { return race_rule::none; }
    if (of.first.kind != of.second.kind) { return race_rule::none; }
    const bool clashes = of.first.is_write() || of.other.is_write();
    return clashes ? race_rule::torn_group : race_rule::none;
}

}  // namespace coroscope::instrumentation::detail
