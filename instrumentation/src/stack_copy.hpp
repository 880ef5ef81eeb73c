// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "thread_state.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include <ucontext.h>

namespace coroscope::instrumentation::detail {

/// The registers that unwinding needs, by their numbers in debug information (DWARF), and the
/// instruction pointer last.
struct register_values {
    static constexpr std::size_t frame_pointer = 6;
    static constexpr std::size_t stack_pointer = 7;
    static constexpr std::size_t instruction_pointer = 16;
    std::array<std::uint64_t, 17> values{};
    /// Of a thread that is blocked in the kernel, the stack and instruction pointers alone.
    bool all_known = false;
};

/// Whether a signal handler is told the registers of what it interrupts. The thread sanitizer holds
/// signals back until the program calls something.
#if !defined(__x86_64__) || defined(__SANITIZE_THREAD__)
inline constexpr bool handlers_see_registers = false;
#elif defined(__has_feature)
inline constexpr bool handlers_see_registers = !__has_feature(thread_sanitizer);
#else
inline constexpr bool handlers_see_registers = true;
#endif

/// Those that a signal handler was given.
[[nodiscard]] register_values registers_in(const ucontext_t& context) noexcept;

/// The upper part of a thread's stack as it was at one moment, with room made beforehand, so that a
/// signal handler can fill it in.
class stack_copy {
public:
    explicit stack_copy(std::size_t capacity) : memory_(capacity) {}

    /// Copies from the stack pointer in `registers` up to the end of the stack, of the memory
    /// behind it, or of the room, whichever comes first. False if nothing could be read; `errno`
    /// says why. Safe in signal handlers: asks the kernel for the bytes, so that nothing faults.
    [[nodiscard]] bool take(const register_values& registers, address_range stack) noexcept;

    [[nodiscard]] const register_values& registers() const noexcept { return registers_; }
    [[nodiscard]] std::uintptr_t begin() const noexcept { return begin_; }
    [[nodiscard]] std::uintptr_t end() const noexcept { return begin_ + size_; }

    /// The word at an address; false if the copy has not all of it.
    [[nodiscard]] bool read(std::uintptr_t address, std::uint64_t& word) const noexcept {
        const auto offset = address - begin_;
        if (address < begin_ || size_ < sizeof word || offset > size_ - sizeof word) {
            return false;
        }
        std::memcpy(&word, memory_.data() + offset, sizeof word);
        return true;
    }

private:
    [[nodiscard]] bool copy(std::uintptr_t begin, std::uintptr_t end) noexcept;

    register_values registers_;
    std::uintptr_t begin_ = 0;
    std::size_t size_ = 0;
    std::vector<std::byte> memory_;
};

}  // namespace coroscope::instrumentation::detail
