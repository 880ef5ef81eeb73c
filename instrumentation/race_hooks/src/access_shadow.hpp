// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/detail/access_sink.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace coroscope::instrumentation::detail {

using coroscope::detail::access_kind;

/// Remembers which bytes were read and written in which stretch of code (see `access_stretch`), so
/// that a repeated access costs nanoseconds and reaches nobody. Eight bytes share a cell of eight
/// bytes, which knows the last stretch only:
///
///     63        27 26    16 15     8 7       0
///     | stretch   | address | read  | written |
///
/// Cells lie in address space that is reserved as a whole, at the lower bits of the address that
/// they are for; the upper ones are kept in the cell. Only what is touched takes memory.
/// **Thread safety**: any thread. Of two that mark a cell at once one may be forgotten, which says
/// the same access once more.
class access_shadow {
public:
    /// Reserves the address space; ends the process, and says why, if there is none. Once.
    static void reserve() noexcept;

    /// Whether this thread has done the same to all of these bytes in this stretch. They lie in one
    /// cell.
    template <std::size_t Bytes, access_kind Kind>
    [[nodiscard, gnu::always_inline]] static bool knows(std::uint64_t stretch,
                                                        std::uintptr_t address) noexcept {
        constexpr auto own = ((std::uint64_t{1} << Bytes) - 1) << shift_of(Kind);
        const auto bits = own << address % cell_bytes;
        const auto wanted = key_of(stretch, address) | bits;
        return ((cell_of(address).load(std::memory_order_relaxed) ^ wanted) & (bits | ~all_bits))
               == 0;
    }

    [[nodiscard]] static bool knows(std::uint64_t stretch, std::uintptr_t begin, std::size_t bytes,
                                    access_kind kind) noexcept;
    static void mark(std::uint64_t stretch, std::uintptr_t begin, std::size_t bytes,
                     access_kind kind) noexcept;
    /// Whether these bytes are hidden, as their cell is, from `hide` until they are cleared.
    [[nodiscard]] static bool hides(std::uintptr_t begin) noexcept {
        return cell_of(begin).load(std::memory_order_relaxed) >> stretch_shift == no_stretch;
    }
    static void hide(std::uintptr_t begin, std::size_t bytes) noexcept {
        mark(no_stretch, begin, bytes, access_kind::write);
    }
    /// Whether these bytes were freed, as their cell is, from `note_freed` until they are cleared.
    [[nodiscard]] static bool is_freed(std::uintptr_t begin) noexcept {
        const auto known = cell_of(begin).load(std::memory_order_relaxed);
        return ((known ^ key_of(freed_stretch, begin)) & ~all_bits) == 0;
    }
    /// A block of these bytes was freed. Of a large one its beginning counts.
    static void note_freed(std::uintptr_t begin, std::size_t bytes) noexcept;
    /// Forgets these bytes; whether any of their cells was ever marked. Bytes that only share a
    /// cell with others are not forgotten.
    static bool clear(std::uintptr_t begin, std::size_t bytes) noexcept;

    /// Memory that cells take, and the most that they may take: then all are forgotten.
    [[nodiscard]] static std::size_t bytes_in_use() noexcept;
    static constexpr std::size_t most_bytes = std::size_t{1} << 30U;

private:
    using cell = std::atomic<std::uint64_t>;
    static constexpr std::size_t cell_bytes = sizeof(cell);
    static constexpr std::uint64_t all_bits = 0xffff;
    static constexpr unsigned stretch_shift = 27;
    /// Greater than the number of any, after a million a second for a day.
    static constexpr std::uint64_t no_stretch = (std::uint64_t{1} << (64U - stretch_shift)) - 1;
    static constexpr std::uint64_t freed_stretch = no_stretch - 1;
    static constexpr std::uint64_t upper_address_bits = 0x7ff;  // from bit 36 on
    static constexpr std::uintptr_t reserved_bytes = std::uintptr_t{1} << 40U;

    [[nodiscard]] static constexpr unsigned shift_of(access_kind kind) noexcept {
        return kind == access_kind::read ? 8 : 0;
    }
    [[nodiscard]] static std::uint64_t key_of(std::uint64_t stretch,
                                              std::uintptr_t address) noexcept {
        return stretch << stretch_shift | (address >> 36U & upper_address_bits) << 16U;
    }
    [[nodiscard]] static cell& cell_of(std::uintptr_t address) noexcept {
        return cells_[address % reserved_bytes / cell_bytes];
    }
    /// Of one cell: which of the bytes of [begin, end) it has.
    [[nodiscard]] static std::uint64_t bits_of(std::uintptr_t cell_begin, std::uintptr_t begin,
                                               std::uintptr_t end, access_kind kind) noexcept;
    static void mark_cell(std::uint64_t stretch, std::uintptr_t address,
                          std::uint64_t bits) noexcept;
    static void note_page(std::uintptr_t address) noexcept;
    [[nodiscard]] static bool has_page(std::uintptr_t address) noexcept;
    /// Whether any of the 64 has that this one is the first of.
    [[nodiscard]] static bool has_pages_near(std::uintptr_t address) noexcept;
    static void forget_all() noexcept;

    static constinit cell* cells_;
};

}  // namespace coroscope::instrumentation::detail
