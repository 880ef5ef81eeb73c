// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/wall_clock.hpp>

#include <coroscope/runtime/detail/loop_core.hpp>

namespace coroscope {

wall_clock::time_point wall_clock::now() noexcept {
    const auto* core = detail::running_loop;
    return core != nullptr ? core->time->wall_now() : system_monotonic_clock::instance().wall_now();
}

}  // namespace coroscope
