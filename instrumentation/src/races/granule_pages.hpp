// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "granules.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>

namespace coroscope::instrumentation::detail {

/// A cell for each granule of a program's memory, in pages that begin with the first use of one of
/// their cells and end some time after the last. Who uses a cell says so: cells are not looked
/// through.
/// **Thread safety**: none.
template <class Cell>
class granule_pages {
public:
    granule_pages() = default;
    granule_pages(const granule_pages&) = delete;
    granule_pages& operator=(const granule_pages&) = delete;

    /// Null: none of its page's cells is used.
    [[nodiscard]] Cell* find(std::uintptr_t address) noexcept {
        const auto number = address / page_bytes;
        if (latest_ == nullptr || number != latest_number_) {
            const auto found = pages_.find(number);
            if (found == pages_.end()) { return nullptr; }
            look_at(number, *found->second);
        }
        return &cell_in(*latest_, address);
    }
    /// Begins a page where there is none.
    [[nodiscard]] Cell& at(std::uintptr_t address) {
        if (auto* const known = find(address)) { return *known; }
        const auto number = address / page_bytes;
        auto& added = *pages_.emplace(number, std::make_unique<page>()).first->second;
        ++empty_;
        look_at(number, added);
        return cell_in(added, address);
    }
    /// Of the cell that `find` or `at` gave last: it is used from now on, or no longer.
    void begin_use() noexcept {
        if (latest_->used++ == 0) { --empty_; }
    }
    void end_use() noexcept {
        if (--latest_->used == 0) { ++empty_; }
    }

    /// Calls `end(cell)`, which says whether the cell was used, for all of these bytes.
    template <class F>
    void end_uses(std::uintptr_t begin, std::size_t bytes, const F& end) noexcept {
        if (pages_.empty()) { return; }
        const auto last = begin + bytes;
        const auto first = begin / granule_bytes * granule_bytes;
        if (bytes / page_bytes > pages_.size()) {  // a thread's stack may have no limit
            for (auto& [number, in] : pages_) {
                const auto at = number * page_bytes;
                end_uses_in(*in, std::max(at, first), std::min(at + page_bytes, last), end);
            }
        } else {
            for (auto at = first; at < last; at = (at / page_bytes + 1) * page_bytes) {
                const auto found = pages_.find(at / page_bytes);
                if (found == pages_.end()) { continue; }
                end_uses_in(*found->second, at, std::min((at / page_bytes + 1) * page_bytes, last),
                            end);
            }
        }
        if (empty_ > most_empty) { drop_empty(); }
    }
    /// The same for all cells.
    template <class F>
    void end_all_uses(const F& end) noexcept {
        for (auto& [number, in] : pages_) {
            for (auto& each : in->cells) {
                end(each);
            }
        }
        pages_.clear();
        empty_ = 0;
        latest_ = nullptr;
    }

    /// Blocks come and go, and so a page that is empty mostly is not for long.
    void drop_empty() noexcept {
        std::erase_if(pages_, [](const auto& each) { return each.second->used == 0; });
        empty_ = 0;
        latest_ = nullptr;
    }
    [[nodiscard]] std::size_t size() const noexcept { return pages_.size(); }

private:
    static constexpr std::size_t page_cells = 512;
    static constexpr std::size_t page_bytes = page_cells * granule_bytes;
    static constexpr std::size_t most_empty = 256;
    struct page {
        std::array<Cell, page_cells> cells{};
        std::size_t used = 0;  ///< of them
    };

    [[nodiscard]] static Cell& cell_in(page& in, std::uintptr_t address) noexcept {
        return in.cells[address % page_bytes / granule_bytes];
    }
    template <class F>
    void end_uses_in(page& in, std::uintptr_t from, std::uintptr_t to, const F& end) noexcept {
        const bool was_used = in.used != 0;
        for (auto at = from; at < to; at += granule_bytes) {
            in.used -= end(cell_in(in, at)) ? 1U : 0U;
        }
        if (was_used && in.used == 0) { ++empty_; }
    }
    void look_at(std::uintptr_t number, page& at) noexcept {
        latest_number_ = number;
        latest_ = &at;
    }

    std::unordered_map<std::uintptr_t, std::unique_ptr<page>> pages_;
    std::size_t empty_ = 0;
    std::uintptr_t latest_number_ = 0;
    page* latest_ = nullptr;
};

}  // namespace coroscope::instrumentation::detail
