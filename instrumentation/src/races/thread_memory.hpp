// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "granule_pages.hpp"
#include "kept_parts.hpp"
#include "thread_records.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace coroscope::instrumentation::detail {

/// Accesses that the compiler saw, to memory on which no two units have met so far, in three bytes
/// for each byte: the last read and the last write. Nearly all memory is such: a unit's own, or
/// handed over in order.
///
/// What accesses have in common that a unit makes between two events that order it is kept once.
/// **Thread safety**: none.
class thread_memory {
public:
    static constexpr std::uint32_t no_part = kept_parts<thread_record>::none;

    struct seen {
        const void* code = nullptr;
        access_kind kind{};
        std::uint8_t bytes = 0;  ///< which ones of the granule's, a bit each
        atomicity atomic = atomicity::none;
    };
    class cell {
    public:
        [[nodiscard]] bool is_shared() const noexcept { return parts_[0] == shared_mark; }
        [[nodiscard]] bool is_empty() const noexcept { return parts_[0] == 0 && parts_[1] == 0; }

    private:
        friend class thread_memory;
        static constexpr std::uint32_t shared_mark = ~std::uint32_t{0};
        std::array<std::uint64_t, 2> what_{};  // a read and a write, see `pack`
        std::array<std::uint32_t, 2> parts_{};
    };

    static constexpr std::size_t usual_pages = std::size_t{1} << 15U;  // 384 MiB

    explicit thread_memory(std::size_t most_pages = usual_pages) : most_pages_(most_pages) {}
    thread_memory(const thread_memory&) = delete;
    thread_memory& operator=(const thread_memory&) = delete;

    /// A part that is in use until `release`.
    [[nodiscard]] std::uint32_t add_part(std::shared_ptr<const thread_record> common) {
        return parts_.add(std::move(common));
    }
    void release(std::uint32_t part) noexcept { parts_.release(part); }
    [[nodiscard]] const thread_record& part(std::uint32_t which) const noexcept {
        return parts_[which];
    }

    /// The one that `keep`, `share` and `clear` are called for next. Null: there is no room before
    /// `forget_all`.
    [[nodiscard]] cell* at(std::uintptr_t address);
    /// False: two units have met there, which nothing orders, or the cell is shared already.
    [[nodiscard]] bool keep(cell& in, const seen& made, std::uint32_t part);
    /// The cell is shared from now on: what was kept, as records in their order.
    [[nodiscard]] std::vector<thread_pointer> share(cell& which);
    /// It is nobody's.
    void clear(cell& which) noexcept;

    void forget(std::uintptr_t begin, std::size_t bytes) noexcept;
    void forget_all() noexcept;
    [[nodiscard]] std::size_t pages() const noexcept { return pages_.size(); }

private:
    [[nodiscard]] static std::uint64_t pack(const seen& made) noexcept;
    [[nodiscard]] static seen unpack(std::uint64_t what, access_kind kind) noexcept;
    void drop(cell& from, std::size_t place) noexcept;
    void drop_all(cell& from) noexcept;

    std::size_t most_pages_;
    granule_pages<cell> pages_;
    kept_parts<thread_record> parts_;
};

}  // namespace coroscope::instrumentation::detail
