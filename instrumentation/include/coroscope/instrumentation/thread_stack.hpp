// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/report/stack.hpp>
#include <coroscope/runtime/clock.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <optional>
#include <string>

#include <sys/types.h>

namespace coroscope::instrumentation {

/// A stack that was taken, or why there is none.
struct thread_stack {
    std::optional<report::stack> stack;
    std::string trouble;  ///< why there is none, and what to do
};

/// A thread whose stack others can take, to see what it is about right now; see `stall_watchdog`
/// for how and at which price.
///
///     const auto here = observable_thread::current();  // on the thread
///     std::cerr << stack_text(*here.take_stack().stack);  // on another one
///
/// A value. **Thread safety**: `take_stack` from any other thread, one at a time for each thread
/// that is observed. **Lifetime**: the thread should be alive; of one that is gone there is no
/// stack.
class observable_thread {
public:
    [[nodiscard]] static observable_thread current() noexcept;
    /// Waits at most this long (real time) for a thread that runs to answer.
    [[nodiscard]] thread_stack take_stack(duration patience = std::chrono::seconds(2)) const;

private:
    pid_t id_ = 0;
    clockid_t cpu_clock_{};
    std::array<std::uintptr_t, 2> stack_{};  ///< lowest address, and the one behind the highest
};

}  // namespace coroscope::instrumentation
