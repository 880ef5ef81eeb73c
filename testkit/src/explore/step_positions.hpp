// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "agent_tree.hpp"
#include "schedule.hpp"
#include "schedule_driver.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

namespace coroscope::testkit::detail {

/// Where in one execution each step came that an agent took.
class step_positions {
public:
    step_positions(const agent_tree& agents, const std::vector<step_trace>& trace);

    /// Whether those who were to be held did not go on before the others had passed, who did.
    [[nodiscard]] bool have_kept(const schedule& holds) const;

private:
    using step_name = std::uint64_t;
    static constexpr std::size_t nowhere = ~std::size_t{0};

    [[nodiscard]] std::size_t position_of(const std::string& path, std::uint32_t number) const;

    std::unordered_map<step_name, std::size_t> positions_;
};

}  // namespace coroscope::testkit::detail
