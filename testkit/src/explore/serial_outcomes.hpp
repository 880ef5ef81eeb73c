// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/await_site.hpp>

#include <cstdint>
#include <set>
#include <string>

namespace coroscope::testkit {
struct explore_options;
}

namespace coroscope::testkit::detail {

struct explored_test;

/// What comes of a test if one operation is done after the other, in any order of them.
struct serial_outcomes {
    std::set<std::string> texts;  ///< see `outcome_log::text`
    std::uint64_t runs = 0;
    /// Why they say nothing about other outcomes; empty: they are all there are.
    std::string trouble;

    /// Whether an execution may end like this.
    [[nodiscard]] bool allow(const std::string& outcome) const {
        return !trouble.empty() || texts.contains(outcome);
    }
    /// Why one that they do not allow is a failure.
    [[nodiscard]] std::string describe(const std::string& outcome) const;
};

/// Runs the test in all serial orders of its operations.
[[nodiscard]] serial_outcomes find_serial_outcomes(const explored_test& test,
                                                   const explore_options& options, await_site where,
                                                   std::uint64_t deadline);

}  // namespace coroscope::testkit::detail
