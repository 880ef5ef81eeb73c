// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "thread_state.hpp"

#include <string>

namespace coroscope::instrumentation::detail {

/// `read`, `futex`; `system call 451` for one that is not known to block.
[[nodiscard]] std::string name_of_system_call(long number);

/// What the descriptor that a system call was given stands for: `descriptor 5, pipe:[81733]`. Empty
/// where it was given none.
[[nodiscard]] std::string target_of_system_call(const thread_place& place);

}  // namespace coroscope::instrumentation::detail
