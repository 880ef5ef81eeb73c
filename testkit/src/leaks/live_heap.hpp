// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/instrumentation/memory_profiler.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace coroscope::testkit::detail {

/// Knows what the tasks of a loop allocate from now on and what of that is still there. Blocks that
/// the library, Catch2 or GoogleTest allocated for themselves do not count.
class live_heap {
public:
    /// Throws `std::logic_error` if nothing is hooked, or another profiler is at it.
    live_heap();

    /// One line for each place: `3 blocks (72 bytes) allocated at cache.cpp:31`.
    [[nodiscard]] std::vector<std::string> left_by(std::uint32_t loop_id) const;

private:
    instrumentation::memory_profiler profiler_;
};

}  // namespace coroscope::testkit::detail
