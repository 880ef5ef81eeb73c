// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/task_table.hpp>

#include <coroscope/runtime/detail/frame_memory.hpp>
#include <coroscope/runtime/detail/task_core.hpp>

#include "own_memory.hpp"

#include <cstddef>
#include <cstdint>

// offsetof of classes with bases is what both compilers support and warn about.
#pragma GCC diagnostic ignored "-Winvalid-offsetof"

namespace coroscope {
namespace {

using detail::frame_base;
using detail::task_core;

constexpr auto acquire = std::memory_order_acquire;
constexpr int stack_attempts = 16;

// Addresses, not objects: there may be none by now.
constexpr std::uint64_t task_offset = detail::task_record_bytes;
constexpr std::uint64_t top_offset = task_offset + offsetof(task_core, top);

[[nodiscard]] std::uint64_t address_number(const void* object) noexcept {
    return reinterpret_cast<std::uintptr_t>(object);
}

/// What lies at the frames' addresses while the task may run, and they may be freed: a frame counts
/// if it says that it is the task's.
[[nodiscard]] std::vector<await_site> walk_stack(const task_record& record) {
    const auto here = address_number(&record);
    std::vector<await_site> sites;
    const auto* next = detail::read_own_memory<const frame_base*>(here + top_offset);
    while (next != nullptr && sites.size() < most_stack_sites) {
        const auto frame = detail::read_own_memory<frame_base>(address_number(next));
        if (address_number(frame.task) != here + task_offset) { break; }
        sites.push_back(frame.site);
        next = frame.parent;
    }
    return sites;
}

[[nodiscard]] bool holds_task(const task_record& record, std::uint32_t loop_id,
                              std::uint64_t id) noexcept {
    return record.id.load(acquire) == id && record.loop_id.load(acquire) == loop_id;
}

[[nodiscard]] std::vector<await_site> read_stack(const task_record& record, std::uint32_t loop_id,
                                                 std::uint64_t id) {
    for (int attempt = 0; attempt < stack_attempts && holds_task(record, loop_id, id); ++attempt) {
        const auto before = record.sequence.load(acquire);
        if ((before & 1U) != 0) { continue; }
        auto sites = walk_stack(record);
        if (record.sequence.load(acquire) == before && holds_task(record, loop_id, id)) {
            return sites;
        }
    }
    return {};
}

}  // namespace

std::vector<await_site> read_task_stack(const task_view& task) {
    if (task.record == nullptr) { return {}; }
    return read_stack(*task.record, task.loop_id, task.id);
}

std::vector<await_site> read_task_stack(std::uint32_t loop_id, std::uint64_t id) {
    const auto slabs = id != 0 ? detail::task_slab_count() : 0;
    for (std::size_t s = 0; s < slabs; ++s) {
        const auto slab = detail::task_slab(s);
        for (std::size_t i = 0; i < slab.count; ++i) {
            const auto& record =
                *reinterpret_cast<const task_record*>(slab.first + i * slab.stride);
            if (holds_task(record, loop_id, id)) { return read_stack(record, loop_id, id); }
        }
    }
    return {};
}

}  // namespace coroscope
