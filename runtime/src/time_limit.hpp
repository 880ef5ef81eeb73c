// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/clock.hpp>
#include <coroscope/runtime/detail/callback.hpp>
#include <coroscope/runtime/handle.hpp>

namespace coroscope {
class loop;
}

namespace coroscope::detail {

/// As `loop::call_at`, for what limits the time of something else: a policy may let that be up
/// early.
[[nodiscard]] timer_handle arm_limit(loop& in, time_point when, callback f, await_site where);
/// As `loop::call_later`.
[[nodiscard]] timer_handle arm_limit(loop& in, duration length, callback f, await_site where);

}  // namespace coroscope::detail
