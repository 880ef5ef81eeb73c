// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/report/stack.hpp>

namespace coroscope::instrumentation::detail {

/// The user's function and line that an instruction belongs to: of what was expanded in place, the
/// innermost that is no library's. **Cost**: see `symbolizer`.
[[nodiscard]] report::stack_frame users_frame_at(const void* code);

}  // namespace coroscope::instrumentation::detail
