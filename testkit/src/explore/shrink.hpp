// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "run_schedule.hpp"

#include <cstddef>
#include <cstdint>

namespace coroscope::testkit::detail {

/// What became of a schedule that was to be made simpler.
struct shrunk_schedule {
    schedule simplest;  ///< fails in the same way
    std::uint64_t executions = 0;
};

/// Whether another order could end in another way than this failed execution did: not where two
/// executions of one order differ, or where the body did not even begin.
[[nodiscard]] bool depends_on_order(const test_result& failed);

/// Leaves out what a failing schedule does not need: delta debugging (Zeller and Hildebrandt,
/// "Simplifying and Isolating Failure-Inducing Input", IEEE TSE 28(2), 2002) over its deviations,
/// faults and holds. Where more than one is left, looks for holds that do the same: a task that is
/// late by ten steps is ten deviations, but one hold. Whatever is kept has failed as `failed` did:
/// the same kind of failure, at the same place. At most `most_executions`.
[[nodiscard]] shrunk_schedule shrink(explored_environment& in, const explored_test& test,
                                     const schedule& failing, const test_result& failed,
                                     std::size_t most_executions);

}  // namespace coroscope::testkit::detail
