// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#if defined(__SANITIZE_ADDRESS__)
#define COROSCOPE_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define COROSCOPE_ADDRESS_SANITIZER 1
#endif
#endif

namespace coroscope::detail {

enum class block_kind : std::uint8_t { frame, task };

/// Memory for coroutine frames and task records: size classes of 32 bytes carved from slabs that
/// are never unmapped, so that a reader in another thread may look at a block at any time and
/// decide by its contents whether it means anything. Freed blocks go to a cache of the freeing
/// thread and from there, in batches, to a depot that all threads share.
///
/// Under the address sanitizer freed blocks are poisoned and kept back for a while, so that a use
/// after free is seen as it would be with malloc.
/// **Thread safety**: any thread may allocate and any other may free.

inline constexpr std::size_t block_granularity = 32;
inline constexpr std::size_t block_classes = 64;  // up to 2 KiB; larger blocks come from malloc
inline constexpr std::size_t largest_block = block_granularity * block_classes;

///
/// A block of kind `task` begins with a `task_record`, built once when the block is carved and
/// never destroyed, since readers may be looking at it; what follows the record is the caller's.
struct block_list {
    void* head = nullptr;
    std::uint32_t count = 0;
    std::uint32_t limit = 0;  ///< most blocks to keep; 0 until the thread is known to flush them
};

/// Where a free block keeps its link: behind the record that readers look at.
inline constexpr std::size_t task_record_bytes = 128;

[[nodiscard]] inline void*& link_of(block_kind kind, void* block) noexcept {
    const auto offset = kind == block_kind::task ? task_record_bytes : std::size_t{0};
    return *reinterpret_cast<void**>(static_cast<std::byte*>(block) + offset);
}

/// `block` may be null.
inline void prefetch_link(block_kind kind, const void* block) noexcept {
    const auto offset = kind == block_kind::task ? task_record_bytes : std::size_t{0};
    __builtin_prefetch(reinterpret_cast<const void*>(  // NOLINT(performance-no-int-to-ptr)
        reinterpret_cast<std::uintptr_t>(block) + offset));
}

/// One thread's free blocks. Trivial, so that reaching it costs one thread-local access.
struct block_cache {
    std::array<block_list, block_classes> frames;
    std::array<block_list, block_classes> tasks;
};

#if defined(COROSCOPE_ADDRESS_SANITIZER)
inline constexpr bool blocks_are_quarantined = true;
#else
inline constexpr bool blocks_are_quarantined = false;
#endif

/// Blocks of one class that a thread keeps before it hands a batch back.
inline constexpr std::uint32_t cached_blocks = 512;

inline constinit thread_local block_cache thread_blocks{};

[[nodiscard]] void* allocate_block_slow(block_kind kind, std::size_t size);
void free_block_slow(block_kind kind, void* memory, std::size_t size) noexcept;

[[nodiscard]] inline std::size_t block_class(std::size_t size) noexcept {
    return (size - 1) / block_granularity;
}

[[nodiscard]] inline block_list& cached_list(block_kind kind, std::size_t index) noexcept {
    auto& lists = kind == block_kind::frame ? thread_blocks.frames : thread_blocks.tasks;
    return lists[index];
}

[[nodiscard]] inline void* allocate_block(block_kind kind, std::size_t size) {
    if constexpr (!blocks_are_quarantined) {
        if (size <= largest_block) [[likely]] {
            auto& list = cached_list(kind, block_class(size));
            if (list.head != nullptr) [[likely]] {
                auto* block = list.head;
                list.head = link_of(kind, block);
                // Of many taken in a row each would be waited for (the row timers_1m).
                prefetch_link(kind, list.head);
                --list.count;
                return block;
            }
        }
    }
    return allocate_block_slow(kind, size);
}

inline void release_block(block_kind kind, void* memory, std::size_t size) noexcept {
    if constexpr (!blocks_are_quarantined) {
        if (size <= largest_block) [[likely]] {
            auto& list = cached_list(kind, block_class(size));
            if (list.count < list.limit) [[likely]] {
                link_of(kind, memory) = list.head;
                list.head = memory;
                ++list.count;
                return;
            }
        }
    }
    free_block_slow(kind, memory, size);
}

/// One slab, as a reader of another thread sees it. `first` and `stride` never change.
struct slab_view {
    const std::byte* first;
    std::size_t stride;
    std::size_t count;
};

/// The slabs that hold task records, oldest first. Safe from any thread; grows, never shrinks.
[[nodiscard]] std::size_t task_slab_count() noexcept;
[[nodiscard]] slab_view task_slab(std::size_t index) noexcept;

}  // namespace coroscope::detail
