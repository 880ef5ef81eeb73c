// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace coroscope::instrumentation::detail {

/// Finds who called an allocator from within a hook that the allocator calls.
///
/// How far a frame of the allocator's reaches is the same each time it is left through the same
/// call. So it is learned by unwinding, once for each such call, and is then a look into a table:
/// some nanoseconds, where unwinding takes a microsecond.
///
/// **Thread safety**: `find` from any thread, once `learn_about` has returned.
class allocator_callers {
public:
    /// `function`: one of the allocator's. False if no shared library has it.
    [[nodiscard]] bool learn_about(const void* function) noexcept;

    /// The address outside of the allocator that its call returns to. `frame` and `return_address`:
    /// what the hook's own `__builtin_frame_address(0)` and `__builtin_return_address(0)` are.
    [[nodiscard]] const void* find(const void* frame, const void* return_address) noexcept;

private:
    /// An address in the allocator, from its begin, and how many bytes further up the next return
    /// address lies; 0: none.
    using learned_frame = std::uint64_t;
    static constexpr std::size_t most_frames = 64;

    [[nodiscard]] bool is_inside(std::uintptr_t address) const noexcept {
        return address - begin_ < size_;
    }
    [[nodiscard]] std::size_t slot_of(std::uintptr_t address) const noexcept;
    [[nodiscard]] std::size_t size_of_frame(std::uintptr_t address) const noexcept;
    void keep(std::uintptr_t address, std::size_t size) noexcept;
    [[nodiscard]] std::uintptr_t unwind() noexcept;
    struct unwinding;

    std::uintptr_t begin_ = 0;
    std::uintptr_t size_ = 0;
    std::array<std::atomic<learned_frame>, most_frames> frames_{};
};

}  // namespace coroscope::instrumentation::detail
