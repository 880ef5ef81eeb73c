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
    /// A hold is given up when others have taken so many steps in a row and the one that it waits
    /// for has taken none: it may have ended, or wait itself for the one that is held.
    static constexpr std::uint32_t most_patience = 100;

    explicit hold_keeper(const std::vector<hold>& holds);

    void begin() noexcept;
    /// An agent, by the hash of its spawn path, takes a step.
    void on_step(std::uint64_t agent);
    /// The agent could run. True: it must not yet.
    [[nodiscard]] bool hold_back(std::uint64_t agent) noexcept;
    [[nodiscard]] bool empty() const noexcept { return holds_.empty(); }

private:
    struct known_hold {
        std::uint64_t agent;
        std::uint32_t await;
        std::uint64_t until;
        std::uint32_t passed;
        bool holds_back = false;  ///< somebody, at this step
        std::uint32_t patience = most_patience;
    };

    [[nodiscard]] std::uint32_t steps_of(std::uint64_t agent) const noexcept;

    std::vector<known_hold> holds_;
    std::unordered_map<std::uint64_t, std::uint32_t> steps_;
};

}  // namespace coroscope::testkit::detail
