// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <optional>

#include <sys/types.h>

namespace coroscope::instrumentation::detail {

/// Addresses from `low` up to `high`, which is not one of them.
struct address_range {
    std::uintptr_t low = 0;
    std::uintptr_t high = 0;

    [[nodiscard]] bool contains(std::uintptr_t address) const noexcept {
        return low <= address && address < high;
    }
};

/// The stack that the calling thread was given. Looked up once for each thread.
[[nodiscard]] address_range own_stack() noexcept;

/// What others need to look at a thread.
struct thread_identity {
    pid_t id = 0;  ///< the kernel's number; 0: none
    clockid_t cpu_clock{};
    address_range stack;  ///< its own stack, whatever it runs on

    /// This thread.
    [[nodiscard]] static thread_identity of_this() noexcept;
};

/// Where a thread is, as the kernel sees it.
struct thread_place {
    enum class kind : std::uint8_t {
        running,      ///< on a processor, or waiting for one
        system_call,  ///< blocked in one
        fault,        ///< blocked in the kernel without having called it: a page fault
        unknown,      ///< the thread is gone, or the kernel does not tell
    };
    kind where = kind::unknown;
    long number = 0;  ///< of the system call
    std::array<std::uint64_t, 6> arguments{};
    std::uintptr_t stack_pointer = 0;        ///< of the program, not the kernel
    std::uintptr_t instruction_pointer = 0;  ///< likewise

    [[nodiscard]] bool is_blocked() const noexcept {
        return where == kind::system_call || where == kind::fault;
    }
    friend bool operator==(const thread_place&, const thread_place&) = default;
};

[[nodiscard]] thread_place place_of(pid_t thread);

/// What a thread has used since it began.
struct thread_usage {
    std::chrono::nanoseconds cpu{0};
    std::chrono::nanoseconds run_delay{0};  ///< ready to run, waiting for a processor
    std::uint64_t voluntary_switches = 0;   ///< it had to wait for something
    std::uint64_t involuntary_switches = 0;
    std::uint64_t minor_faults = 0;  ///< served from memory
    std::uint64_t major_faults = 0;  ///< served from a device
};

/// Nothing if the thread is gone.
[[nodiscard]] std::optional<thread_usage> usage_of(const thread_identity& thread);

/// What the calling thread has run, or waited for a processor, since it began.
[[nodiscard]] std::chrono::nanoseconds own_runnable_time();

/// Whether a signal is in the mask of those that a thread holds back, or waits to be delivered.
struct signal_state {
    bool is_blocked = false;
    bool is_pending = false;
};
[[nodiscard]] signal_state state_of_signal(pid_t thread, int number);

}  // namespace coroscope::instrumentation::detail
