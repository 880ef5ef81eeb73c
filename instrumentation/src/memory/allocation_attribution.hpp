// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

namespace coroscope::instrumentation::detail {

/// How many return addresses are kept of each allocation from now on.
void set_wanted_calls(std::size_t calls) noexcept;

/// Whose allocations are made here now: a loop's id and a task's, or 0 and the thread's number.
[[nodiscard]] std::pair<std::uint32_t, std::uint64_t> whoever_runs() noexcept;

}  // namespace coroscope::instrumentation::detail
