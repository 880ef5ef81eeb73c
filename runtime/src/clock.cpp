// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/clock.hpp>

namespace coroscope {

time_point saturating_add(time_point t, duration d) noexcept {
    const auto base = t.time_since_epoch();
    if (d > duration::zero() && base > duration::max() - d) { return time_point::max(); }
    if (d < duration::zero() && base < duration::min() - d) { return time_point::min(); }
    return time_point(base + d);
}

std::chrono::sys_time<duration> clock::wall_now() const noexcept {
    return std::chrono::time_point_cast<duration>(std::chrono::system_clock::now());
}

time_point system_monotonic_clock::now() const noexcept {
    return std::chrono::time_point_cast<duration>(std::chrono::steady_clock::now());
}

idle_action system_monotonic_clock::on_idle(const idle_state& state) {
    idle_action action;
    if (state.next_deadline.has_value() && *state.next_deadline != time_point::max()) {
        const auto present = now();
        action.limit =
            *state.next_deadline > present ? *state.next_deadline - present : duration::zero();
    }
    return action;
}

system_monotonic_clock& system_monotonic_clock::instance() noexcept {
    static system_monotonic_clock clock;
    return clock;
}

}  // namespace coroscope
