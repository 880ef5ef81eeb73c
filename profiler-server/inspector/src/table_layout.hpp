// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "address_space.hpp"

#include <coroscope/runtime/task_table_header.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace coroscope::profiler_server {

/// Where a number lies in a copied block, by what the table's header says. Absent where the header
/// does not name it: then it reads as 0.
class table_member {
public:
    table_member() = default;
    table_member(std::uint32_t offset, std::uint32_t size) : offset_(offset), size_(size) {}

    [[nodiscard]] std::uint64_t in(std::span<const std::byte> block) const noexcept;
    [[nodiscard]] std::span<const std::byte> bytes_in(
        std::span<const std::byte> block) const noexcept {
        return block.subspan(offset_, size_);
    }
    [[nodiscard]] bool is_known() const noexcept { return size_ != 0; }
    [[nodiscard]] std::size_t end() const noexcept { return std::size_t{offset_} + size_; }

private:
    std::uint32_t offset_ = 0;
    std::uint32_t size_ = 0;
};

/// The header of a task table, checked: every offset lies within what is copied.
struct table_layout {
    /// Throws `inspection_error`; `where` names the process or file.
    table_layout(const task_table_header& from, std::string_view where);

    task_table_header header;
    std::size_t block_bytes = 0;  ///< what to copy of a record and the task behind it
    std::size_t frame_bytes = 0;  ///< what to copy of a frame
    std::size_t entry_bytes = 0;  ///< of a slab
    table_member sequence, state, waits_for, magic, loop_id, site, busy_ticks, scheduled_ticks,
        waiting_ticks, changed_at, woken_at, wait_object, wait_detail, id, parent_id, origin,
        memory, name, frame;
    std::vector<std::string> states;
    std::vector<std::string> wait_kinds;

    /// Of an enumerator; empty for a number that the header does not name.
    [[nodiscard]] std::string_view state_name(std::uint64_t number) const noexcept;
    [[nodiscard]] std::string_view wait_kind_name(std::uint64_t number) const noexcept;
};

/// The headers of all task tables in a program's memory, found by magic and address. Throws
/// `inspection_error` where there is none that this reader knows.
[[nodiscard]] std::vector<task_table_header> find_tables(const address_space& space,
                                                         std::string_view where);

}  // namespace coroscope::profiler_server
