// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "directed_run.hpp"
#include "run_schedule.hpp"

#include <coroscope/report/finding.hpp>

#include <cstdint>
#include <optional>
#include <vector>

namespace coroscope::testkit::detail {

/// What an execution in the default order has failed by.
struct failure_cause {
    std::optional<report::finding> found;  ///< says in which order the test passes
    std::uint64_t executions = 0;          ///< that the search took
};

/// How much a search may take: executions, and time up to a stamp.
struct search_budget {
    std::uint64_t executions = 0;
    std::uint64_t deadline = 0;
};

/// The recorded execution has failed. Two steps but for whose order it does not are what it failed
/// by, and what a detector has seen of them says more than that. `runs` are all orders that one
/// could try.
///
/// What sleeps for the same time goes on together in every order that is tried: then what a
/// detector has seen is told if a serial run passes.
[[nodiscard]] failure_cause find_cause(explored_environment& in, const explored_test& test,
                                       const std::vector<directed_run>& runs,
                                       const search_budget& most);

/// Gives `to` what `from` says of an order in which nothing fails.
void add_order_that_passes(report::finding& to, const report::finding& from);

}  // namespace coroscope::testkit::detail
