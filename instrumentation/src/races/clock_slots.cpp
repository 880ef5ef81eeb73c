// SPDX-License-Identifier: Apache-2.0
#include "clock_slots.hpp"

#include <algorithm>

namespace coroscope::instrumentation::detail {

std::uint32_t clock_slots::take(const race_clock& clock) {
    constexpr std::size_t looks = 8;
    for (auto left = std::min(looks, ended_.size()); left > 0; --left) {
        const auto slot = ended_.front();
        ended_.pop_front();
        auto& state = slots_[slot];
        if (state.records == 0 || clock.time_of(slot) >= state.time) {
            ++state.time;
            return slot;
        }
        ended_.push_back(slot);
    }
    if (slots_.size() == race_clock::most_slots) { return none; }
    slots_.push_back({});
    return static_cast<std::uint32_t>(slots_.size() - 1);
}

void clock_slots::give_back(std::uint32_t slot) {
    ended_.push_back(slot);
}

}  // namespace coroscope::instrumentation::detail
