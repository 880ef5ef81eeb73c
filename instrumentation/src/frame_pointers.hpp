// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "stack_copy.hpp"

#include <cstdint>
#include <vector>

namespace coroscope::instrumentation::detail {

/// What the frame pointer of a function's frame may have been, most probable first, at most a few.
/// `function`: where its code begins; `stack_pointer`: the lower end of its frame.
[[nodiscard]] std::vector<std::uintptr_t> frame_pointer_candidates(const stack_copy& copy,
                                                                   std::uintptr_t function,
                                                                   std::uintptr_t stack_pointer);

}  // namespace coroscope::instrumentation::detail
