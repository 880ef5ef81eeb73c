// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/detail/task_core.hpp>

#include <string_view>

namespace coroscope::instrumentation::detail {

/// The last await of the coroutine `running`, whose task was resumed from `resumed_at`: what that
/// is about, if it is in another function that this one awaited. Empty otherwise.
[[nodiscard]] inline await_site own_await(const coroscope::detail::frame_base* running,
                                          const await_site& resumed_at) noexcept {
    if (running == nullptr || running->site.line() == 0 || resumed_at.line() == 0) { return {}; }
    const auto* own = running->site.function_name();
    const auto* innermost = resumed_at.function_name();
    const bool is_same = own == innermost || std::string_view(own) == innermost;
    return is_same ? await_site{} : running->site;
}

}  // namespace coroscope::instrumentation::detail
