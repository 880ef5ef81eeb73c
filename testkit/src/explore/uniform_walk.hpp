// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "random_walk.hpp"
#include "step_counts.hpp"

namespace coroscope::testkit::detail {

/// Makes all interleavings equally likely: one that could run is chosen in proportion to the steps
/// that it has left. Exactly so for tasks that never wait for each other and whose numbers of steps
/// do not depend on the schedule. The numbers are learned: the first execution is a random walk.
///
/// The uniform random walk of Zhao, Wolff, Mathur and Roychoudhury, "Selectively Uniform
/// Concurrency Testing", ASPLOS 2025.
class uniform_walk final : public random_strategy {
public:
    [[nodiscard]] std::string name() const override { return "uniform walk"; }
    void begin(std::uint64_t seed) override {
        random_strategy::begin(seed);
        counts_.begin();
    }
    [[nodiscard]] std::size_t decide(std::span<const candidate> ready) override;
    void on_created(agent_index made, agent_index by) override { counts_.on_created(made, by); }
    void on_step(const candidate& runs) override { counts_.on_step(runs.agent); }
    void end(const execution_summary& summary) override;

private:
    step_counts counts_;
};

/// Chooses one of several in proportion to `weight(candidate)`; if all are 0, any.
template <class F>
[[nodiscard]] std::size_t choose_weighted(std::span<const candidate> among, random_source& random,
                                          F weight) {
    std::uint64_t sum = 0;
    for (const auto& each : among) {
        sum += weight(each);
    }
    if (sum == 0) { return random.below(among.size()); }
    auto place = random.below(sum);
    std::size_t index = 0;
    for (; index + 1 < among.size(); ++index) {
        const auto w = weight(among[index]);
        if (place < w) { break; }
        place -= w;
    }
    return index;
}

}  // namespace coroscope::testkit::detail
