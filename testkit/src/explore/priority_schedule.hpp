// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "random_walk.hpp"

#include <vector>

namespace coroscope::testkit::detail {

/// Gives each task a random priority and always runs the highest; at `depth` - 1 random decisions
/// it lowers the one that would run. A bug that needs `depth` things to happen in a certain order
/// is hit in at least 1 / (n k^(depth - 1)) of all executions with n tasks and k decisions.
///
/// PCT of Burckhardt, Kothari, Musuvathi and Nagarakatte, "A Randomized Scheduler with
/// Probabilistic Guarantees of Finding Bugs", ASPLOS 2010. Only decisions count as places of
/// change, and k is the most of them that an earlier execution had.
class priority_schedule final : public random_strategy {
public:
    explicit priority_schedule(std::size_t depth) : depth_(depth) {}

    [[nodiscard]] std::string name() const override {
        return "PCT of depth " + std::to_string(depth_);
    }
    void begin(std::uint64_t seed) override;
    [[nodiscard]] std::size_t decide(std::span<const candidate> ready) override;
    void end(const execution_summary& summary) override;

private:
    std::uint64_t& priority(agent_index of);
    [[nodiscard]] std::size_t highest(std::span<const candidate> ready);

    std::size_t depth_;
    std::vector<std::uint64_t> priorities_;  ///< 0: not drawn yet
    std::vector<std::uint64_t> changes_;     ///< numbers of decisions, in order
    std::size_t next_change_ = 0;
    std::uint64_t decision_ = 0;
    std::uint64_t most_decisions_ = 0;
};

}  // namespace coroscope::testkit::detail
