// SPDX-License-Identifier: Apache-2.0
#include "run_schedule.hpp"

#include "replay_strategy.hpp"
#include "task_report.hpp"

#include <algorithm>

namespace coroscope::testkit::detail {

scheduled_run run_schedule(explored_environment& in, const explored_test& test,
                           const schedule& to_follow) {
    scheduled_run run;
    replay_strategy strategy(to_follow);
    auto& driver = in.driver();
    driver.set_trace(&run.trace);
    // What the schedule wakes early is woken, whatever the options of the exploration are.
    const auto before = driver.set_early({early_limits::any, early_limits::any});
    run.result = in.run(strategy, to_follow.seed, test.max_steps, test.body);
    driver.set_early(before);
    driver.set_trace(nullptr);
    run.divergence = strategy.divergence();
    run.decided = driver.decided();
    run.decided.seed = to_follow.seed;
    return run;
}

namespace {

[[nodiscard]] std::string describe(const agent_tree& agents, const std::vector<step_trace>& trace,
                                   std::size_t step) {
    if (step >= trace.size()) { return "it has ended"; }
    const auto& s = trace[step];
    auto text = describe_agent(agents, s.agent) + " goes on";
    if (s.at.line() != 0) { text += " from " + to_string(s.at); }
    return text + " at " + seconds(s.when.time_since_epoch()) + ", one of "
           + std::to_string(s.ready) + " that could run";
}

}  // namespace

std::string describe_divergence(const agent_tree& agents, const std::vector<step_trace>& first,
                                const std::vector<step_trace>& second) {
    const auto longest = std::max(first.size(), second.size());
    for (std::size_t i = 0; i < longest; ++i) {
        const bool is_same =
            i < first.size() && i < second.size() && first[i].state_hash == second[i].state_hash;
        if (is_same) { continue; }
        return "two executions of one schedule differ at step " + std::to_string(i) + ":\n    once "
               + describe(agents, first, i) + "\n    once " + describe(agents, second, i);
    }
    return {};
}

}  // namespace coroscope::testkit::detail
