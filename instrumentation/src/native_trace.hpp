// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace coroscope::instrumentation::detail {

/// The return addresses above one frame of the calling thread, innermost first.
struct native_trace {
    std::vector<std::uintptr_t> addresses;
    /// Where on the stack each of them lies, in bytes above the frame. Empty where that is not
    /// known, or where the stack is none that the thread began with.
    std::vector<std::uint32_t> places;
    bool truncated = false;  ///< the stack goes on
};

/// Unwinds from the frame at `frame`, an address as `__builtin_frame_address(0)` gives it in a
/// function that is still running; what that function calls is left out. **Cost**: a microsecond
/// or more.
[[nodiscard]] native_trace trace_from(std::uintptr_t frame, std::size_t most);

/// Whether the calling thread has these addresses on its stack in these places, above this frame.
/// A read of the stack for each: some nanoseconds in all.
[[nodiscard]] bool are_there(std::uintptr_t frame, std::span<const std::uintptr_t> addresses,
                             std::span<const std::uint32_t> places) noexcept;

}  // namespace coroscope::instrumentation::detail
