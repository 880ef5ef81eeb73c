// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "run_schedule.hpp"

#include <string>

namespace coroscope::testkit::detail {

/// One execution, told to people.
struct told_interleaving {
    test_result result;
    /// A line for each step that matters: those that are not the default order's, what is around
    /// them, and the last ones. Begins with a line break.
    std::string table;
};

/// Runs a schedule once more and tells what happens in it.
[[nodiscard]] told_interleaving tell_interleaving(explored_environment& in,
                                                  const explored_test& test,
                                                  const schedule& to_follow);

}  // namespace coroscope::testkit::detail
