// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "stack_copy.hpp"

#include <cstdint>
#include <vector>

namespace coroscope::instrumentation::detail {

/// The addresses of a stack, innermost first: the first is the instruction that ran, the others
/// those that the calls return to.
struct unwound_stack {
    std::vector<std::uintptr_t> addresses;
    bool truncated = false;  ///< it goes on beyond what is known
};

/// Follows the calls in a copy. Reads the copy and what is loaded from files, never the live stack.
///
/// Of a thread that is blocked in the kernel the frame pointer is not known. Where it is needed, it
/// is looked for in the copy: above the frame lies a pair of a frame pointer and a return address
/// behind a call of the very function that the frame is of.
[[nodiscard]] unwound_stack unwind(const stack_copy& copy);

}  // namespace coroscope::instrumentation::detail
