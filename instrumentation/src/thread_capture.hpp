// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "stack_copy.hpp"

#include <coroscope/report/stack.hpp>

#include <chrono>
#include <memory>
#include <span>
#include <string>

namespace coroscope::instrumentation::detail {

/// How to capture stacks.
struct capture_settings {
    int signal_number = 0;                 ///< sent to threads that run
    std::chrono::nanoseconds patience{0};  ///< with a thread that does not answer
    std::size_t most_bytes = 0;            ///< of a stack
};

/// What was seen of a thread.
struct capture {
    thread_place place;  ///< when it was captured
    bool is_taken = false;
    std::string trouble;  ///< why there is no stack, and what to do
};

/// Takes copies of threads' stacks without changing what the threads do, and gives the frames their
/// names. **Thread safety**: one thread at a time.
class thread_capture {
public:
    explicit thread_capture(const capture_settings& settings);
    thread_capture(const thread_capture&) = delete;
    thread_capture& operator=(const thread_capture&) = delete;
    ~thread_capture();

    /// Copies a thread's stack: from outside if the thread is blocked in the kernel, since a signal
    /// would cut some system calls short; through a signal handler if it runs.
    [[nodiscard]] capture take(const thread_identity& thread);
    /// The stack of the last capture that was taken.
    [[nodiscard]] report::stack stack();

private:
    class implementation;
    std::unique_ptr<implementation> implementation_;
};

/// Whether this build has what stacks are made with.
[[nodiscard]] bool has_native_stacks() noexcept;

/// The functions and lines behind return addresses, innermost first, with inlined calls. Nothing
/// where this build has not what it takes. **Thread safety**: any thread. **Cost**: see
/// `symbolizer`.
[[nodiscard]] report::stack name_return_addresses(std::span<void* const> addresses);

}  // namespace coroscope::instrumentation::detail
