// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "spin_watch.hpp"

#include <array>
#include <cstdint>

namespace coroscope::instrumentation {

/// Counts how often one step passes the same place without suspending.
class passage_watch {
public:
    explicit passage_watch(std::uint32_t limit) noexcept : limit_(limit) {}

    /// In the step that began at `stamp`. True if it is the `limit`th time in there.
    [[nodiscard]] bool passed(await_site site, std::uint64_t stamp) noexcept {
        if (stamp != stamp_) {
            stamp_ = stamp;
            seen_ = {};
        }
        const auto place = identity_of(site);
        for (auto& each : seen_) {
            if (each.place == 0) { each.place = place; }
            if (each.place == place) { return ++each.times == limit_; }
        }
        return false;
    }

private:
    struct passages {
        std::uint64_t place = 0;
        std::uint32_t times = 0;
    };
    std::uint32_t limit_;
    std::uint64_t stamp_ = 0;
    std::array<passages, 8> seen_{};
};

}  // namespace coroscope::instrumentation
