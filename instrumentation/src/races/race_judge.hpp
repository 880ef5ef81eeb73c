// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "race_records.hpp"

#include <cstdint>
#include <string_view>

namespace coroscope::instrumentation::detail {

/// What is wrong with a triple.
enum class race_rule : std::uint8_t {
    none,
    stale_write,     ///< written from a read that is out of date
    check_then_act,  ///< done because of a test that is out of date
    torn_group,      ///< a part of what belongs together
    unserialisable,  ///< what two accesses see fits no order of the whole operations
};

[[nodiscard]] std::string_view to_string(race_rule rule) noexcept;
/// `R-W-W`: what the three do, in their order.
[[nodiscard]] std::string_view pattern_of(const access_triple& of) noexcept;

/// Whether `other` may come between the two in some schedule: no must-edge and no lock forbids it.
[[nodiscard]] bool can_come_between(const access_triple& of) noexcept;

/// Whether `judge_variable` finds nothing in the two, whoever comes between them.
[[nodiscard]] bool is_harmless(const access_record& first, const access_record& second) noexcept;

/// Two consecutive accesses to one variable, and another unit's.
[[nodiscard]] race_rule judge_variable(const access_triple& of) noexcept;
/// The second is a write to another variable than the one that was tested.
[[nodiscard]] race_rule judge_guard(const access_triple& of) noexcept;
/// The three are accesses to members of one group.
[[nodiscard]] race_rule judge_group(const access_triple& of) noexcept;

}  // namespace coroscope::instrumentation::detail
