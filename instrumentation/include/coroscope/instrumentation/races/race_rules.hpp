// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string_view>

namespace coroscope::instrumentation {

/// The rules of all findings of `race_detector` and `find_deadlocks`, as `docs/races.md` lists
/// them.
[[nodiscard]] std::span<const std::string_view> race_rules() noexcept;

[[nodiscard]] bool is_race_rule(std::string_view name) noexcept;

}  // namespace coroscope::instrumentation
