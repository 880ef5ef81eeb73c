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

[[nodiscard]] entry& entry_of(std::uintptr_t begin) noexcept {
    constexpr std::uint64_t mixer = 0x9e3779b97f4a7c15U;
    return table[begin / alignment * mixer >> 48U];
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
    auto& to = entry_of(begin);
    if (to.begin.exchange(being_written, std::memory_order_acq_rel) == being_written) { return; }
    to.bytes.store(made.bytes, std::memory_order_relaxed);
    to.code.store(reinterpret_cast<std::uintptr_t>(made.code), std::memory_order_relaxed);
    to.is_frame.store(made.is_frame, std::memory_order_relaxed);
    to.begin.store(begin, std::memory_order_release);
}

void known_blocks::remove(const void* begin) noexcept {
    auto expected = reinterpret_cast<std::uintptr_t>(begin);
    auto& from = entry_of(expected);
    if (from.begin.load(std::memory_order_relaxed) != expected) { return; }
    from.begin.compare_exchange_strong(expected, 0, std::memory_order_relaxed);
}

memory_block known_blocks::find_begin(const void* begin) noexcept {
    const auto at = reinterpret_cast<std::uintptr_t>(begin);
    return block_in(entry_of(at), at);
}

memory_block known_blocks::find(const void* address) noexcept {
    const auto inside = reinterpret_cast<std::uintptr_t>(address);
    auto begin = inside / alignment * alignment;
    for (std::size_t offset = inside - begin; offset < furthest && begin >= alignment;
         offset += alignment, begin -= alignment) {
        const auto block = block_in(entry_of(begin), begin);
        if (block.begin != nullptr && offset < block.bytes) { return block; }
    }
    return {};
}

}  // namespace coroscope::instrumentation::detail
