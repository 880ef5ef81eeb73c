// SPDX-License-Identifier: Apache-2.0
#include "known_blocks.hpp"

#include <array>
#include <atomic>
#include <cstdint>

namespace coroscope::instrumentation::detail {
namespace {

constexpr std::size_t entries = 1U << 16U;
constexpr std::size_t alignment = 8;
constexpr std::size_t furthest = 1U << 16U;
constexpr std::uintptr_t being_written = 1;

struct entry {
    std::atomic<std::uintptr_t> begin{0};  ///< 0: none
    std::atomic<std::size_t> bytes{0};
    std::atomic<std::uintptr_t> code{0};
    std::atomic<bool> is_frame{false};
};

constinit std::array<entry, entries> table{};  // pages that nobody has touched take no memory

constexpr std::size_t places = 4;  // for each block: side by side

[[nodiscard]] entry* places_of(std::uintptr_t begin) noexcept {
    constexpr std::uint64_t mixer = 0x9e3779b97f4a7c15U;
    return &table[(begin / alignment * mixer >> 48U) / places * places];
}

/// The place of the block that begins there; null: it has none.
[[nodiscard]] entry* find_entry(std::uintptr_t begin) noexcept {
    auto* const all = places_of(begin);
    for (std::size_t i = 0; i < places; ++i) {
        if (all[i].begin.load(std::memory_order_relaxed) == begin) { return &all[i]; }
    }
    return nullptr;
}

/// Its own, or a free one, or another block's.
[[nodiscard]] entry& entry_for(std::uintptr_t begin) noexcept {
    if (auto* const own = find_entry(begin); own != nullptr) { return *own; }
    auto* const all = places_of(begin);
    for (std::size_t i = 0; i < places; ++i) {
        if (all[i].begin.load(std::memory_order_relaxed) == 0) { return all[i]; }
    }
    return all[begin / alignment % places];
}

/// What two threads write at once is left out.
[[nodiscard]] memory_block block_in(const entry& of, std::uintptr_t begin) noexcept {
    if (of.begin.load(std::memory_order_acquire) != begin) { return {}; }
    memory_block block;
    block.bytes = of.bytes.load(std::memory_order_relaxed);
    block.code = reinterpret_cast<const void*>(of.code.load(std::memory_order_relaxed));  // NOLINT
    block.is_frame = of.is_frame.load(std::memory_order_acquire);
    if (of.begin.load(std::memory_order_relaxed) != begin) { return {}; }
    block.begin = reinterpret_cast<const void*>(begin);  // NOLINT(performance-no-int-to-ptr)
    return block;
}

}  // namespace

void known_blocks::add(const memory_block& made) noexcept {
    const auto begin = reinterpret_cast<std::uintptr_t>(made.begin);
    auto& to = entry_for(begin);
    if (to.begin.exchange(being_written, std::memory_order_acq_rel) == being_written) { return; }
    to.bytes.store(made.bytes, std::memory_order_relaxed);
    to.code.store(reinterpret_cast<std::uintptr_t>(made.code), std::memory_order_relaxed);
    to.is_frame.store(made.is_frame, std::memory_order_relaxed);
    to.begin.store(begin, std::memory_order_release);
}

void known_blocks::remove(const void* begin) noexcept {
    auto expected = reinterpret_cast<std::uintptr_t>(begin);
    auto* const from = find_entry(expected);
    if (from == nullptr) { return; }
    from->begin.compare_exchange_strong(expected, 0, std::memory_order_relaxed);
}

memory_block known_blocks::find_begin(const void* begin) noexcept {
    const auto at = reinterpret_cast<std::uintptr_t>(begin);
    const auto* const known = find_entry(at);
    return known != nullptr ? block_in(*known, at) : memory_block();
}

memory_block known_blocks::find(const void* address) noexcept {
    const auto inside = reinterpret_cast<std::uintptr_t>(address);
    auto begin = inside / alignment * alignment;
    for (std::size_t offset = inside - begin; offset < furthest && begin >= alignment;
         offset += alignment, begin -= alignment) {
        const auto* const known = find_entry(begin);
        const auto block = known != nullptr ? block_in(*known, begin) : memory_block();
        if (block.begin != nullptr && offset < block.bytes) { return block; }
    }
    return {};
}

}  // namespace coroscope::instrumentation::detail
