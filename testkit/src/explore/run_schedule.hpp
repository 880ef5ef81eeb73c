// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "explored_environment.hpp"
#include "schedule.hpp"

#include <coroscope/testkit/test_run.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace coroscope::testkit::detail {

/// What every execution of one test has in common.
struct explored_test {
    std::function<coro<>()> body;
    std::uint64_t max_steps = 0;
    const serial_outcomes* serial = nullptr;  ///< null: outcomes are not judged
};

/// One execution in an order that was given.
struct scheduled_run {
    test_result result;
    /// From where on the schedule could not be followed; empty: it was, to its end.
    std::string divergence;
    schedule decided;  ///< what was done; equal to what was given unless that was not possible
    std::vector<step_trace> trace;
};

/// Runs a test in the order of `to_follow`, whose seed is the environment's.
[[nodiscard]] scheduled_run run_schedule(explored_environment& in, const explored_test& test,
                                         const schedule& to_follow);

/// Says where two executions of one schedule differ; empty if they do not.
[[nodiscard]] std::string describe_divergence(const agent_tree& agents,
                                              const std::vector<step_trace>& first,
                                              const std::vector<step_trace>& second);

}  // namespace coroscope::testkit::detail
