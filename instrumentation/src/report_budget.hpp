// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <utility>

namespace coroscope::instrumentation::detail {

/// So many reports a minute, and the number of those that were too many. The minute begins with its
/// first report.
class report_budget {
public:
    using instant = std::chrono::steady_clock::time_point;

    /// Whether another report may be made now; counts it either way.
    [[nodiscard]] bool allows(instant now, std::uint32_t a_minute) {
        if (now - minute_began_ >= std::chrono::minutes(1) || is_fresh_) {
            is_fresh_ = false;
            minute_began_ = now;
            made_ = 0;
        }
        if (made_ < a_minute) {
            ++made_;
            return true;
        }
        ++suppressed_;
        return false;
    }

    /// Whether there is something to say now about what was suppressed in a minute that is over.
    [[nodiscard]] bool is_due(instant now) const {
        return suppressed_ > 0 && now - minute_began_ >= std::chrono::minutes(1);
    }
    /// How many were suppressed since the last call.
    [[nodiscard]] std::uint64_t take_suppressed() { return std::exchange(suppressed_, 0); }

private:
    bool is_fresh_ = true;
    instant minute_began_{};
    std::uint32_t made_ = 0;
    std::uint64_t suppressed_ = 0;
};

}  // namespace coroscope::instrumentation::detail
