// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <new>

namespace coroscope::instrumentation::detail {

/// Blocks that the program has freed and the allocator has not got back yet, so that who uses one
/// of them all the same is known to, and harms nobody else. First in, first out.
/// **Thread safety**: all of it.
class freed_blocks {
public:
    using release = void (*)(void* block, std::size_t bytes, std::align_val_t alignment) noexcept;
    struct entry {
        void* block = nullptr;
        std::size_t bytes = 0;
        std::size_t given_bytes = 0;  ///< as whoever freed it said
        std::align_val_t alignment{};
        release give_back = nullptr;
    };
    static constexpr std::size_t largest = std::size_t{1} << 15U;

    /// Gives others back for it, the oldest.
    static void keep(const entry& freed) noexcept;
    /// Whether it is kept now. **Cost**: looks at all that are.
    [[nodiscard]] static bool contains(const void* block) noexcept;
    static void give_back_all() noexcept;
};

}  // namespace coroscope::instrumentation::detail
