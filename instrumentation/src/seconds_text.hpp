// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/clock.hpp>

#include <array>
#include <chrono>
#include <cstdio>
#include <string>

namespace coroscope::instrumentation {

/// As asyncio's log writes them: `0.052`.
[[nodiscard]] inline std::string seconds(duration d) {
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), "%.3f", static_cast<double>(d.count()) / 1e9);
    return text.data();
}

}  // namespace coroscope::instrumentation
