// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "race_records.hpp"

#include <coroscope/runtime/detail/access_sink.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

namespace coroscope::instrumentation::detail {

constexpr std::size_t granule_bytes = 8;

/// Calls `f(granule, bytes)` for all that an access touches: where a granule begins, and which of
/// its bytes, a bit each. Of a long range, what begins it stands for all.
template <class F>
void for_each_granule(const coroscope::detail::access& made, const F& f) {
    constexpr std::size_t most_bytes = 512;
    const auto begin = reinterpret_cast<std::uintptr_t>(made.object);
    const auto end = begin + (made.bytes < most_bytes ? made.bytes : most_bytes);
    for (auto granule = begin - begin % granule_bytes; granule < end; granule += granule_bytes) {
        unsigned bits = 0xff;
        if (granule < begin) { bits &= 0xffU << (begin - granule); }
        if (granule + granule_bytes > end) { bits &= 0xffU >> (granule + granule_bytes - end); }
        f(granule, static_cast<std::uint8_t>(bits));
    }
}

/// Accesses that the compiler saw, to memory that one unit alone has accessed so far. Nearly all
/// memory is such, and most stays it until it is freed: so the last accesses are kept in 7 bytes
/// for each byte, and become records when another unit comes.
///
/// What the accesses of one part of a segment have in common is kept once, as a record without
/// code: its part. A part ends where its unit's locks or what comes before it may change.
class private_memory {
public:
    static constexpr std::size_t most_kept = 3;  ///< orders that a part needs for its accesses

    struct kept_access {
        const void* code = nullptr;
        std::uint32_t part = 0;
        access_kind kind{};
        std::uint8_t bytes = 0;  ///< which ones of the granule's, a bit each
    };
    class granule {
    public:
        [[nodiscard]] bool is_shared() const noexcept { return is_shared_; }

    private:
        friend class private_memory;
        [[nodiscard]] bool is_used() const noexcept { return is_shared_ || count_ > 0; }
        std::array<kept_access, most_kept> last_{};
        std::uint8_t count_ = 0;
        bool is_shared_ = false;
    };

    private_memory() = default;
    private_memory(const private_memory&) = delete;
    private_memory& operator=(const private_memory&) = delete;

    /// Of the accesses that follow.
    void begin_part(std::shared_ptr<const access_record> common);
    void end_part() noexcept;
    /// Null: none has begun in that segment.
    [[nodiscard]] const access_record* part_of(std::uint64_t segment) const noexcept;

    /// That part, where there is one.
    [[nodiscard]] std::shared_ptr<const access_record> present() const noexcept {
        return parts_[present_].record;
    }

    /// The one that `keep` and `share` are called for next.
    [[nodiscard]] granule& at(std::uintptr_t address);
    /// Keeps an access of the present part; false if the granule is another unit's, or shared.
    [[nodiscard]] bool keep(granule& in, kept_access made);
    /// The granule is shared from now on. Gives what was kept, oldest first, as records in the
    /// order in which it was made.
    [[nodiscard]] std::vector<std::shared_ptr<access_record>> share(granule& which);

    void forget(std::uintptr_t begin, std::size_t bytes) noexcept;
    void forget_all() noexcept;
    [[nodiscard]] std::size_t pages() const noexcept { return pages_.size(); }

private:
    static constexpr std::size_t page_granules = 512;
    static constexpr std::size_t page_bytes = page_granules * granule_bytes;
    struct page {
        std::array<granule, page_granules> granules;
        std::size_t used = 0;  ///< of them, by accesses that are kept, or shared
    };
    struct kept_part {
        std::shared_ptr<const access_record> record;
        std::uint32_t uses = 0;
    };

    void release(std::uint32_t part) noexcept;
    void clear(granule& which) noexcept;
    void drop(granule& in, std::size_t place) noexcept;
    void drop_empty_pages() noexcept;

    std::unordered_map<std::uintptr_t, std::unique_ptr<page>> pages_;
    std::size_t empty_pages_ = 0;
    std::uintptr_t latest_number_ = 0;
    page* latest_ = nullptr;
    std::vector<kept_part> parts_;
    std::vector<std::uint32_t> free_parts_;
    std::uint32_t present_ = 0;
    bool has_present_ = false;
};

}  // namespace coroscope::instrumentation::detail
