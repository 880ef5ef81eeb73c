// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "address_space.hpp"
#include "table_layout.hpp"

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace coroscope::profiler_server {

/// A consistent copy of one record, decoded; addresses are the program's.
struct raw_record {
    std::uint64_t address = 0;
    std::uint64_t sequence = 0;
    std::uint64_t id = 0;
    std::uint64_t loop_id = 0;
    std::uint64_t parent_id = 0;
    std::uint64_t state = 0;
    std::uint64_t waits_for = 0;
    std::uint64_t wait_object = 0;
    std::uint64_t wait_detail = 0;
    std::uint64_t site = 0;
    std::uint64_t origin = 0;
    std::uint64_t frame = 0;
    std::uint64_t busy_ticks = 0;
    std::uint64_t scheduled_ticks = 0;
    std::uint64_t memory = 0;
    std::uint64_t waiting_ticks = 0;
    std::uint64_t changed_at = 0;
    std::uint64_t woken_at = 0;
    std::array<char, 32> name{};
    std::uint8_t name_bytes = 0;
    bool name_is_cut = false;  ///< there is more of it than the record holds
    /// It runs, or would not stand still: what identifies it is right, the rest as of some moment.
    bool runs = false;

    [[nodiscard]] std::string_view short_name() const noexcept { return {name.data(), name_bytes}; }
};

/// Copies the records of unfinished tasks out of a table.
class record_reader {
public:
    /// Both must outlive the reader. Reads the list of slabs; throws `inspection_error` where that
    /// makes no sense.
    record_reader(const address_space& space, const table_layout& layout, std::string_view where);

    /// In the order of their places. Slabs are copied in large pieces, three times: the sequence of
    /// a record is taken before and after the copy that is used.
    [[nodiscard]] std::vector<raw_record> read_all();

    /// One record once more; false where the task that was in it is no more.
    [[nodiscard]] bool read_again(raw_record& record) const;

    /// Records that `read_all` could not read; in a core file, memory that was left out.
    [[nodiscard]] std::uint64_t unreadable() const noexcept { return unreadable_; }

private:
    struct slab {
        std::uint64_t first = 0;
        std::uint64_t stride = 0;
        std::uint64_t carved = 0;
    };
    enum class verdict { free, taken, moving };
    using bytes = std::span<const std::byte>;

    [[nodiscard]] slab read_slab(std::uint64_t entry) const;
    void check_slabs(std::string_view where) const;
    void read_slab_records(const slab& from, std::vector<raw_record>& to);
    void take(std::uint64_t address, bytes before, bytes copy, bytes after,
              std::vector<raw_record>& to) const;
    [[nodiscard]] verdict judge(bytes before, bytes copy, bytes after, raw_record& record) const;
    void decode(bytes copy, raw_record& record) const;

    const address_space& space_;
    const table_layout& layout_;
    std::vector<slab> slabs_;
    std::uint64_t unreadable_ = 0;
};

}  // namespace coroscope::profiler_server
