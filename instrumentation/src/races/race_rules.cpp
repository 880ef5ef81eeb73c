// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/races/race_rules.hpp>

#include <algorithm>
#include <array>

namespace coroscope::instrumentation {
namespace {

constexpr std::array<std::string_view, 21> all_rules{
    "stale-write",     "check-then-act", "torn-group",     "unserialisable",
    "use-after-close", "use-after-move", "use-after-free", "order-violation",
    "single-task",     "stale-result",   "thread-race",    "iterator-invalidated",
    "lock-order",      "lock-cycle",     "await-cycle",    "self-lock",
    "all-blocked",     "lost-wakeup",    "starvation",     "unordered-uses",
    "unordered-steps",
};

}  // namespace

std::span<const std::string_view> race_rules() noexcept {
    return all_rules;
}

bool is_race_rule(std::string_view name) noexcept {
    return std::ranges::find(race_rules(), name) != race_rules().end();
}

}  // namespace coroscope::instrumentation
