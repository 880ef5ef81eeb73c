// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "learned_uses.hpp"
#include "random_walk.hpp"
#include "step_counts.hpp"

#include <vector>

namespace coroscope::testkit::detail {

/// Makes all orders of a few steps equally likely, whatever happens in between. The few are, in
/// each execution others, those that use one shared variable, as far as an earlier execution has
/// shown that. Where nobody reports any use, they are those that go on from one co_await line:
/// steps of the same line are those that touch the same things, as a rule. Everything else is a
/// random walk, which only keeps the next of the few back until it is its turn.
///
/// The selectively uniform random walk (SURW) of Zhao, Wolff, Mathur and Roychoudhury, "Selectively
/// Uniform Concurrency Testing", ASPLOS 2025.
class selective_walk final : public random_strategy {
public:
    [[nodiscard]] std::string name() const override { return "selective walk"; }
    void begin(std::uint64_t seed) override;
    [[nodiscard]] std::size_t decide(std::span<const candidate> ready) override;
    void on_created(agent_index made, agent_index by) override;
    void on_step(const candidate& runs) override;
    [[nodiscard]] bool wants_uses() const override { return uses_.is_learning(); }
    void on_use(const coroscope::detail::access& made) override { uses_.on_use(made); }
    void end(const execution_summary& summary) override;

private:
    struct line {
        await_site at{};
        step_counts counts;
    };

    [[nodiscard]] line* find(const await_site& at) noexcept;
    [[nodiscard]] bool is_selected(const candidate& c) const noexcept;
    void choose_intended(std::span<const candidate> ready);

    learned_uses uses_;
    std::vector<line> lines_;
    std::size_t selected_ = 0;  ///< of the things that are used; of the lines, if none are
    bool has_intended_ = false;
    agent_index intended_ = agent_tree::outside;  ///< whose turn it is at the selected line
    std::vector<std::size_t> eligible_;
};

}  // namespace coroscope::testkit::detail
