// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "learned_uses.hpp"
#include "random_walk.hpp"

#include <vector>

namespace coroscope::testkit::detail {

/// Gives each next step a random priority and runs the highest. Steps that conflict with the one
/// that ran draw theirs anew, so that all partial orders are about equally likely, rather than all
/// interleavings, of which most partial orders have few and some very many.
///
/// Partial order sampling (POS) of Yuan, Yang and Gu, CAV 2018. Steps conflict that use one
/// variable, as far as an earlier execution has shown that; where nobody reports any use, steps do
/// that go on from the same co_await line.
class partial_order_sampling final : public random_strategy {
public:
    [[nodiscard]] std::string name() const override { return "partial order sampling"; }
    void begin(std::uint64_t seed) override;
    [[nodiscard]] std::size_t decide(std::span<const candidate> ready) override;
    void on_created(agent_index made, agent_index by) override { uses_.on_created(made, by); }
    void on_step(const candidate& runs) override;
    [[nodiscard]] bool wants_uses() const override { return uses_.is_learning(); }
    void on_use(const coroscope::detail::access& made) override { uses_.on_use(made); }
    void end(const execution_summary& summary) override;

private:
    std::uint64_t& priority(agent_index of);

    learned_uses uses_;
    std::vector<std::uint64_t> priorities_;  ///< of next steps; 0: not drawn yet
    std::vector<candidate> waiting_;         ///< for their turn, at the last decision
};

}  // namespace coroscope::testkit::detail
