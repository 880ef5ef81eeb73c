// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "schedule.hpp"
#include "search_strategy.hpp"

#include <cstdint>
#include <unordered_map>
#include <vector>

namespace coroscope::testkit::detail {

/// Says who must not run yet, in one execution, by the holds of a schedule.
class hold_keeper {
public:
    explicit hold_keeper(const std::vector<hold>& holds);

    void begin() noexcept { steps_.clear(); }
    /// An agent, by the hash of its spawn path, takes a step.
    void on_step(std::uint64_t agent) {
        if (!holds_.empty()) { ++steps_[agent]; }
    }
    [[nodiscard]] bool is_held(std::uint64_t agent) const noexcept;
    [[nodiscard]] bool empty() const noexcept { return holds_.empty(); }

private:
    struct known_hold {
        std::uint64_t agent;
        std::uint32_t await;
        std::uint64_t until;
        std::uint32_t passed;
    };

    [[nodiscard]] std::uint32_t steps_of(std::uint64_t agent) const noexcept;

    std::vector<known_hold> holds_;
    std::unordered_map<std::uint64_t, std::uint32_t> steps_;
};

}  // namespace coroscope::testkit::detail
