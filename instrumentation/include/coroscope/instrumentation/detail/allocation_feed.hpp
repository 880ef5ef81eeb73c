// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace coroscope::instrumentation::detail {

/// What is to be done with an allocation.
enum class memory_watch : std::uint8_t { nothing, every_one, samples };

inline constinit std::atomic<memory_watch> watched_memory{memory_watch::nothing};

/// Bytes that this thread may still allocate before the next sample.
inline constinit thread_local std::int64_t bytes_to_next_sample = 0;

/// How many sampled blocks are alive whose addresses have this hash. Most blocks that are freed
/// were not sampled, and this says so without a lock.
class sampled_addresses {
public:
    static constexpr std::size_t size = std::size_t{1} << 16U;

    [[nodiscard]] bool may_have(const void* block) const noexcept {
        return counts_[place_of(block)].load(std::memory_order_relaxed) != 0;
    }
    /// A count that is full stays so: the lock is then taken more often than needed.
    void add(const void* block) noexcept { change(block, 1); }
    void remove(const void* block) noexcept { change(block, -1); }
    void clear() noexcept {
        for (auto& count : counts_) {
            count.store(0, std::memory_order_relaxed);
        }
    }

private:
    [[nodiscard]] static std::size_t place_of(const void* block) noexcept {
        const auto number = reinterpret_cast<std::uintptr_t>(block);
        return (number * 0x9E37'79B9'7F4A'7C15U) >> 48U;
    }
    void change(const void* block, int by) noexcept {
        auto& count = counts_[place_of(block)];
        auto before = count.load(std::memory_order_relaxed);
        while (before != full
               && !count.compare_exchange_weak(before, static_cast<std::uint8_t>(before + by),
                                               std::memory_order_relaxed)) {}
    }

    static constexpr std::uint8_t full = 255;
    std::array<std::atomic<std::uint8_t>, size> counts_{};
};

inline constinit sampled_addresses sampled_blocks;

void note_allocation_slow(const void* block, std::size_t size, const void* caller) noexcept;
void note_free_slow(const void* block) noexcept;

/// For those who hook allocation: whether to tell of a block that was just allocated. True for one
/// in many where samples are taken. **Thread safety**: any thread. **Cost**: one load while no
/// profiler runs.
[[nodiscard]] inline bool may_be_watched(const void* block, std::size_t size) noexcept {
    const auto watch = watched_memory.load(std::memory_order_relaxed);
    if (watch == memory_watch::nothing || block == nullptr) [[likely]] { return false; }
    if (watch == memory_watch::every_one) { return true; }
    bytes_to_next_sample -= static_cast<std::int64_t>(size);
    return bytes_to_next_sample < 0;
}

/// Tells of a block, and where its allocation returns to. **Cost**: see `memory_profiler`.
inline void note_allocation(const void* block, std::size_t size, const void* caller) noexcept {
    if (may_be_watched(block, size)) [[unlikely]] { note_allocation_slow(block, size, caller); }
}

/// A block that is about to be freed, and not yet.
inline void note_free(const void* block) noexcept {
    const auto watch = watched_memory.load(std::memory_order_relaxed);
    if (watch == memory_watch::nothing || block == nullptr) [[likely]] { return; }
    if (watch == memory_watch::samples && !sampled_blocks.may_have(block)) [[likely]] { return; }
    note_free_slow(block);
}

/// What is hooked, and what is not seen; see `memory_profiler::hooked`. Null: nothing is.
inline constinit std::atomic<const char*> memory_hooks_name{nullptr};

/// Keeps what this thread allocates meanwhile out of every profile: what a profiler itself needs.
class unwatched_memory {
public:
    unwatched_memory() noexcept;
    unwatched_memory(const unwatched_memory&) = delete;
    unwatched_memory& operator=(const unwatched_memory&) = delete;
    ~unwatched_memory();
};

}  // namespace coroscope::instrumentation::detail
