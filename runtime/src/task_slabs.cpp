// SPDX-License-Identifier: Apache-2.0
#include "task_slabs.hpp"

#include <coroscope/runtime/task_table_header.hpp>

#include <new>

namespace coroscope::detail {

constinit task_slab_list task_slabs;

task_slab_entry& task_slab_list::add(const std::byte* first, std::size_t stride) {
    const auto index = count_.load(std::memory_order_relaxed);
    if (index == most_slabs) { throw std::bad_alloc(); }
    auto& chunk = chunks_[index / chunk_size];
    if (index % chunk_size == 0) {
        chunk.store(new task_slab_entry[chunk_size], std::memory_order_release);
        // Who has slabs has the header: the linker must not leave it out.
        coroscope_task_table.is_used = 1;
    }
    auto& entry = chunk.load(std::memory_order_relaxed)[index % chunk_size];
    entry.first = first;
    entry.stride = stride;
    count_.store(index + 1, std::memory_order_release);
    return entry;
}

}  // namespace coroscope::detail
