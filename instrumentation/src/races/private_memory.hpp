// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "granule_pages.hpp"
#include "kept_parts.hpp"
#include "race_records.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace coroscope::instrumentation::detail {

/// Accesses that the compiler saw, to memory that one unit alone has accessed so far. Nearly all
/// memory is such, and most stays it until it is freed: so the last accesses are kept in 7 bytes
/// for each byte, and become records when another unit comes.
///
/// What the accesses of one part of a segment have in common is kept once. A part ends where its
/// unit's locks or what comes before it may change.
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
        return parts_.shared(present_);
    }

    /// The one that `keep` and `share` are called for next.
    [[nodiscard]] granule& at(std::uintptr_t address) { return pages_.at(address); }
    /// Keeps an access of the present part; false if the granule is another unit's, or shared.
    [[nodiscard]] bool keep(granule& in, kept_access made);
    /// The granule is shared from now on. Gives what was kept, oldest first, as records in the
    /// order in which it was made.
    [[nodiscard]] std::vector<std::shared_ptr<access_record>> share(granule& which);

    void forget(std::uintptr_t begin, std::size_t bytes) noexcept;
    void forget_all() noexcept;
    [[nodiscard]] std::size_t pages() const noexcept { return pages_.size(); }

private:
    void clear(granule& which) noexcept;
    void drop(granule& in, std::size_t place) noexcept;

    granule_pages<granule> pages_;
    kept_parts<access_record> parts_;
    std::uint32_t present_ = kept_parts<access_record>::none;
};

}  // namespace coroscope::instrumentation::detail
