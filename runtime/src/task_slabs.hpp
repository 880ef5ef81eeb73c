// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstddef>

namespace coroscope::detail {

/// A piece of memory that is carved into blocks which begin with a `task_record`. Written once, but
/// for the number of blocks.
struct task_slab_entry {
    const std::byte* first = nullptr;
    std::size_t stride = 0;  ///< bytes from one record to the next
    std::atomic<std::size_t> carved{0};
};

/// All memory that may hold task records: a list that only grows. Entries lie in chunks that never
/// move, so that readers need no lock; also readers in other processes, see `task_table_header`.
class task_slab_list {
public:
    static constexpr std::size_t most_slabs = std::size_t{1} << 16U;  // 128 GiB of task blocks
    static constexpr std::size_t chunk_size = 256;
    using chunk_pointer = std::atomic<task_slab_entry*>;

    [[nodiscard]] std::size_t count() const noexcept {
        return count_.load(std::memory_order_acquire);
    }
    [[nodiscard]] task_slab_entry& at(std::size_t index) const noexcept {
        return chunks_[index / chunk_size].load(std::memory_order_acquire)[index % chunk_size];
    }
    /// One writer at a time. Throws `std::bad_alloc` if there is no room.
    task_slab_entry& add(const std::byte* first, std::size_t stride);

    [[nodiscard]] constexpr const chunk_pointer* chunks() const noexcept { return chunks_.data(); }
    [[nodiscard]] constexpr const std::atomic<std::size_t>* count_address() const noexcept {
        return &count_;
    }

private:
    std::array<chunk_pointer, most_slabs / chunk_size> chunks_{};
    std::atomic<std::size_t> count_{0};
};

extern constinit task_slab_list task_slabs;

}  // namespace coroscope::detail
