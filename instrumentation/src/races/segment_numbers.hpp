// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace coroscope::instrumentation::detail {

/// For `current_segment`: no other call in the process returns the same, on whatever thread.
[[nodiscard]] std::uint64_t next_segment_number() noexcept;

}  // namespace coroscope::instrumentation::detail
