// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "stack_copy.hpp"

#include <chrono>
#include <cstdint>

namespace coroscope::instrumentation::detail {

enum class signal_answer : std::uint8_t {
    copied,
    unreadable,   ///< the handler ran, and the kernel refused the copy
    blocked,      ///< the thread holds the signal back, or has not taken the last one yet
    replaced,     ///< the program has put another handler in the place of ours
    missing,      ///< sent, and not answered in time
    in_kernel,    ///< sent; before it was taken the thread began to wait in the kernel
    gone,         ///< there is no such thread
    unsupported,  ///< this architecture, or the thread sanitizer, which holds signals back
};

/// Puts our handler in the place of the signal's, once for each signal and process. The one that
/// was there is called for every signal that is not ours. Ours stays for good, since a signal that
/// was sent may arrive at any later time.
void install_capture_handler(int number);

/// Has a thread that runs copy its registers and its stack. **Thread safety**: any thread; one
/// capture at a time in a process, the others wait.
[[nodiscard]] signal_answer capture_by_signal(const thread_identity& thread, int number,
                                              std::chrono::nanoseconds patience, stack_copy& into);

}  // namespace coroscope::instrumentation::detail
