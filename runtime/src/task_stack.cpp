// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/task_table.hpp>

#include <coroscope/runtime/detail/frame_memory.hpp>
#include <coroscope/runtime/detail/task_core.hpp>

#include "own_memory.hpp"

#include <cstdint>

namespace coroscope {
namespace {

using detail::frame_base;
using detail::task_core;

constexpr auto acquire = std::memory_order_acquire;
constexpr int stack_attempts = 16;

[[nodiscard]] const task_core& task_behind(const task_record& record) noexcept {
    return *reinterpret_cast<const task_core*>(&record + 1);
}

/// What lies at the frames' addresses while the task may run, and they may be freed: a frame counts
/// if it says that it is the task's.
[[nodiscard]] std::vector<await_site> walk(const task_record& record) {
    constexpr auto read = [](const void* address) noexcept {
        return reinterpret_cast<std::uintptr_t>(address);
    };
    const auto& task = task_behind(record);
    std::vector<await_site> sites;
    const auto* next = detail::read_own_memory<const frame_base*>(read(&task.top));
    while (next != nullptr && sites.size() < most_stack_sites) {
        const auto frame = detail::read_own_memory<frame_base>(read(next));
        if (frame.task != &task) { break; }
        sites.push_back(frame.site);
        next = frame.parent;
    }
    return sites;
}

[[nodiscard]] bool holds(const task_record& record, std::uint32_t loop_id,
                         std::uint64_t id) noexcept {
    return record.id.load(acquire) == id && record.loop_id.load(acquire) == loop_id;
}

[[nodiscard]] std::vector<await_site> read_stack(const task_record& record, std::uint32_t loop_id,
                                                 std::uint64_t id) {
    for (int attempt = 0; attempt < stack_attempts && holds(record, loop_id, id); ++attempt) {
        const auto before = record.sequence.load(acquire);
        if ((before & 1U) != 0) { continue; }
        auto sites = walk(record);
        if (record.sequence.load(acquire) == before && holds(record, loop_id, id)) { return sites; }
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
            if (holds(record, loop_id, id)) { return read_stack(record, loop_id, id); }
        }
    }
    return {};
}

}  // namespace coroscope
