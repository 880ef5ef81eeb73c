// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "random_walk.hpp"

#include <vector>

namespace coroscope::testkit::detail {

/// Gives each next step a random priority and runs the highest. Steps that conflict with the one
/// that ran draw theirs anew, so that all partial orders are about equally likely, rather than all
/// interleavings, of which most partial orders have few and some very many.
///
/// Partial order sampling (POS) of Yuan, Yang and Gu, CAV 2018. There, accesses to one variable
/// conflict. Here steps do that go on from the same co_await line.
class partial_order_sampling final : public random_strategy {
public:
    [[nodiscard]] std::string name() const override { return "partial order sampling"; }
    void begin(std::uint64_t seed) override;
    [[nodiscard]] std::size_t decide(std::span<const candidate> ready) override;
    void on_step(const candidate& runs) override;

private:
    std::uint64_t& priority(agent_index of);

    std::vector<std::uint64_t> priorities_;  ///< of next steps; 0: not drawn yet
    std::vector<candidate> waiting_;         ///< for their turn, at the last decision
};

}  // namespace coroscope::testkit::detail
