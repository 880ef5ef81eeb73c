// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

// A process that was forked has copies of the detectors that listened, and none of the threads that
// jobs ran in: those may have held locks, which nobody gives back there.

namespace coroscope::instrumentation::detail {

/// From now on a process that is forked listens to nobody. **Thread safety**: any thread.
void expect_forks_while_listening() noexcept;

/// Another number in each process that was forked since.
[[nodiscard]] std::uint32_t process_number() noexcept;

}  // namespace coroscope::instrumentation::detail
