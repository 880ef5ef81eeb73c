// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "agent_tree.hpp"

#include <cstdint>
#include <vector>

namespace coroscope::testkit::detail {

/// How many steps agents have left, by what earlier executions have shown: the means of their steps
/// there. An agent that has not created its children yet has their steps to come, too.
class step_counts {
public:
    void begin() noexcept { ++execution_; }
    void on_created(agent_index made, agent_index by);
    void on_step(agent_index runs);
    /// The execution was whole: it is learned from.
    void learn();

    /// Of the agent and of what it has still to create.
    [[nodiscard]] std::uint64_t left(agent_index of) const noexcept;
    [[nodiscard]] bool has_learned() const noexcept { return learned_from_ > 0; }

private:
    struct count {
        std::uint64_t execution = 0;  ///< the last one it was in
        std::int64_t left = 0;
        std::uint32_t steps = 0;  ///< in that execution
        agent_index by = agent_tree::outside;
        double mean = 0;  ///< of its own steps, over the executions it was in
        std::uint32_t executions = 0;
        double with_children = 0;  ///< the mean and those of what it creates
    };

    count& at(agent_index agent);

    std::vector<count> counts_;
    std::vector<agent_index> seen_;  ///< in this execution, creators first
    std::uint64_t execution_ = 0;
    std::uint64_t learned_from_ = 0;
};

}  // namespace coroscope::testkit::detail
