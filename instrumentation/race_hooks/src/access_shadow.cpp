// SPDX-License-Identifier: Apache-2.0
#include "access_shadow.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include <sys/mman.h>

namespace coroscope::instrumentation::detail {
namespace {

constexpr std::size_t page_bytes = 4096;
constexpr std::size_t pages_in_word = 64;
constexpr std::size_t largest_freed = 4096;

// Which pages of cells were written: one bit each.
using page_word = std::atomic<std::uint64_t>;
constinit page_word* pages = nullptr;
constinit std::atomic<std::size_t> pages_in_use{0};
/// Whoever was told of accesses that are forgotten here has to be told of the end of any block.
constinit std::atomic<bool> has_forgotten{false};

[[nodiscard]] void* reserve_zeros(std::size_t bytes) noexcept {
    void* const memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        std::fprintf(
            stderr,
            "coroscope: cannot reserve %zu GiB of address space for the shadow of a program "
            "built with coroscope_detect_races (it takes memory only as it is touched); "
            "lift the limits of ulimit -v and of vm.overcommit_memory=2\n",
            bytes >> 30U);
        std::_Exit(1);
    }
    ::madvise(memory, bytes, MADV_NOHUGEPAGE);  // a page for each few cells, and not 2 MiB
    ::madvise(memory, bytes, MADV_DONTDUMP);
    return memory;
}

}  // namespace

constinit access_shadow::cell* access_shadow::cells_ = nullptr;

void access_shadow::reserve() noexcept {
    if (cells_ != nullptr) { return; }
    pages = static_cast<page_word*>(reserve_zeros(reserved_bytes / page_bytes / 8));
    cells_ = static_cast<cell*>(reserve_zeros(reserved_bytes));
}

std::uint64_t access_shadow::bits_of(std::uintptr_t cell_begin, std::uintptr_t begin,
                                     std::uintptr_t end, access_kind kind) noexcept {
    const auto from = std::max(cell_begin, begin) - cell_begin;
    const auto to = std::min(cell_begin + cell_bytes, end) - cell_begin;
    return ((std::uint64_t{1} << to) - (std::uint64_t{1} << from)) << shift_of(kind);
}

bool access_shadow::knows(std::uint64_t stretch, std::uintptr_t begin, std::size_t bytes,
                          access_kind kind) noexcept {
    const auto end = begin + bytes;
    for (auto at = begin / cell_bytes * cell_bytes; at < end; at += cell_bytes) {
        const auto bits = bits_of(at, begin, end, kind);
        const auto known = cell_of(at).load(std::memory_order_relaxed);
        if (((known ^ (key_of(stretch, at) | bits)) & (bits | ~all_bits)) != 0) { return false; }
    }
    return true;
}

void access_shadow::mark_cell(std::uint64_t stretch, std::uintptr_t address,
                              std::uint64_t bits) noexcept {
    auto& cell = cell_of(address);
    const auto known = cell.load(std::memory_order_relaxed);
    if (known == 0) [[unlikely]] { note_page(address); }
    const auto key = key_of(stretch, address);
    const bool is_same = ((known ^ key) & ~all_bits) == 0;
    cell.store(is_same ? known | bits : key | bits, std::memory_order_relaxed);
}

void access_shadow::mark(std::uint64_t stretch, std::uintptr_t begin, std::size_t bytes,
                         access_kind kind) noexcept {
    const auto end = begin + bytes;
    for (auto at = begin / cell_bytes * cell_bytes; at < end; at += cell_bytes) {
        mark_cell(stretch, at, bits_of(at, begin, end, kind));
    }
}

bool access_shadow::clear(std::uintptr_t begin, std::size_t bytes) noexcept {
    bool was_marked = has_forgotten.load(std::memory_order_relaxed);
    const auto end = (begin + std::min(bytes, reserved_bytes)) / cell_bytes * cell_bytes;
    auto at = (begin + cell_bytes - 1) / cell_bytes * cell_bytes;
    while (at < end) {
        const auto page_end = std::min(end, (at / page_bytes + 1) * page_bytes);
        if (at % (page_bytes * pages_in_word) == 0 && !has_pages_near(at)) {
            at += page_bytes * pages_in_word;  // of what is long, most was never touched
            continue;
        }
        if (!has_page(at)) {
            at = page_end;
            continue;
        }
        for (; at < page_end; at += cell_bytes) {
            auto& cell = cell_of(at);
            if (cell.load(std::memory_order_relaxed) == 0) { continue; }
            was_marked = true;
            cell.store(0, std::memory_order_relaxed);
        }
    }
    return was_marked;
}

void access_shadow::note_freed(std::uintptr_t begin, std::size_t bytes) noexcept {
    const auto end = begin + std::min(bytes, largest_freed);
    for (auto at = begin / cell_bytes * cell_bytes; at < end; at += cell_bytes) {
        mark_cell(freed_stretch, at, 0);
    }
}

bool access_shadow::has_page(std::uintptr_t address) noexcept {
    const auto page = address % reserved_bytes / page_bytes;
    const auto word = pages[page / pages_in_word].load(std::memory_order_relaxed);
    return (word >> page % pages_in_word & 1U) != 0;
}

bool access_shadow::has_pages_near(std::uintptr_t address) noexcept {
    const auto page = address % reserved_bytes / page_bytes;
    return pages[page / pages_in_word].load(std::memory_order_relaxed) != 0;
}

void access_shadow::note_page(std::uintptr_t address) noexcept {
    if (has_page(address)) { return; }
    const auto page = address % reserved_bytes / page_bytes;
    const auto bit = std::uint64_t{1} << page % pages_in_word;
    const auto before = pages[page / pages_in_word].fetch_or(bit, std::memory_order_relaxed);
    if ((before & bit) != 0) { return; }
    if (pages_in_use.fetch_add(1, std::memory_order_relaxed) + 1 >= most_bytes / page_bytes) {
        forget_all();
        pages[page / pages_in_word].fetch_or(bit, std::memory_order_relaxed);
    }
}

void access_shadow::forget_all() noexcept {
    has_forgotten.store(true, std::memory_order_relaxed);
    pages_in_use.store(1, std::memory_order_relaxed);  // the caller's
    ::madvise(pages, reserved_bytes / page_bytes / 8, MADV_DONTNEED);
    ::madvise(cells_, reserved_bytes, MADV_DONTNEED);
}

std::size_t access_shadow::bytes_in_use() noexcept {
    return pages_in_use.load(std::memory_order_relaxed) * page_bytes;
}

}  // namespace coroscope::instrumentation::detail
