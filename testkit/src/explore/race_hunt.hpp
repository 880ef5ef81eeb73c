// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "run_schedule.hpp"

#include <coroscope/testkit/explore.hpp>

#include <coroscope/report/finding.hpp>

#include <cstdint>
#include <optional>
#include <vector>

namespace coroscope::testkit::detail {

/// What a race detector predicted of one execution, and what came of it.
struct race_hunt {
    /// In the order in which the detector came to them; those that were confirmed say how to replay
    /// them.
    std::vector<report::finding> findings;
    /// The first that was confirmed: a directed execution failed.
    std::optional<exploration_failure> failure;
    std::uint64_t executions = 0;
};

/// Predict, confirm: runs the test first in, first out, under a `race_detector`, and then once for
/// each candidate in the order in which that one goes wrong. (The method is that of CTrigger, Park
/// et al., "CTrigger: Exposing Atomicity Violation Bugs from Their Hiding Places", ASPLOS 2009:
/// unserialisable interleavings of a recorded run are steered into by holding threads back.)
/// Then two pairs of steps are turned round, and where the recorded run itself fails, the order
/// that it does so by is looked for. It ends at the `deadline`, a stamp, at the latest.
[[nodiscard]] race_hunt hunt_races(const explored_test& test, const explore_options& options,
                                   await_site where, std::uint64_t deadline);

}  // namespace coroscope::testkit::detail
