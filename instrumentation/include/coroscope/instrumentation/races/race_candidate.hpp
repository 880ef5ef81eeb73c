// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/report/finding.hpp>
#include <coroscope/runtime/schedule_policy.hpp>

#include <cstdint>
#include <vector>

namespace coroscope::instrumentation {

/// Hold `held` before its await number `await` until `until` has passed its await number `passed`.
///
/// An await has the number of steps that led to it: 0 is the beginning, 1 the first suspension, and
/// so on. Awaits that were ready have none. A callback has one step, number 0.
struct race_hold {
    schedule_policy::agent held;
    std::uint32_t await = 0;
    schedule_policy::agent until;
    std::uint32_t passed = 0;

    friend bool operator==(const race_hold&, const race_hold&) = default;
};

/// Something that could go wrong in another order than the one seen, and how to get there.
struct race_candidate {
    /// As predicted; whoever sees it fail makes it confirmed and adds the schedule as evidence.
    report::finding what;
    /// All of them together, in the run that was recorded; ids are those of that run.
    std::vector<race_hold> holds;
};

}  // namespace coroscope::instrumentation
