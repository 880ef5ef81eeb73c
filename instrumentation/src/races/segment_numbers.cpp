// SPDX-License-Identifier: Apache-2.0
#include "segment_numbers.hpp"

#include <atomic>

namespace coroscope::instrumentation::detail {
namespace {

constexpr std::uint64_t segments_at_once = std::uint64_t{1} << 20U;

constinit std::atomic<std::uint64_t> next_segments{1};

}  // namespace

// A number a step from one counter of all threads would be an atomic addition a step.
std::uint64_t next_segment_number() noexcept {
    static constinit thread_local std::uint64_t next = 0;
    static constinit thread_local std::uint64_t end = 0;
    if (next == end) {
        next = next_segments.fetch_add(segments_at_once, std::memory_order_relaxed);
        end = next + segments_at_once;
    }
    return next++;
}

}  // namespace coroscope::instrumentation::detail
