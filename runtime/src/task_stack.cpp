// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/task_table.hpp>

#include <coroscope/runtime/detail/frame_memory.hpp>
#include <coroscope/runtime/detail/loop_core.hpp>
#include <coroscope/runtime/detail/running_task.hpp>
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
/// if it says that it is the task's. Calls `visit(address, frame)`, innermost first, until that is
/// false.
template <class Visit>
void walk_frames(std::uint64_t record, Visit visit) noexcept {
    const auto* next = detail::read_own_memory<const frame_base*>(record + top_offset);
    while (next != nullptr) {
        const auto frame = detail::read_own_memory<frame_base>(address_number(next));
        if (address_number(frame.task) != record + task_offset || !visit(*next, frame)) { break; }
        next = frame.parent;
    }
}

[[nodiscard]] std::vector<await_site> walk_stack(const task_record& record) {
    std::vector<await_site> sites;
    walk_frames(address_number(&record), [&sites](const frame_base&, const frame_base& frame) {
        sites.push_back(frame.site);
        return sites.size() < most_stack_sites;
    });
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

namespace detail {
namespace {

/// The function that goes on with a coroutine: the first word of its frame.
[[nodiscard]] std::uintptr_t body_of(const frame_base& promise) noexcept {
    auto& there = const_cast<frame_base&>(promise);  // its address is all that is used
    return read_own_memory<std::uintptr_t>(address_number(there.coroutine().address()));
}

}  // namespace

bool read_running_task(const loop_core& core, running_task& into) noexcept {
    into.id = 0;
    const auto* task = core.current.get();
    if (task == nullptr || core.callback.get() != nullptr) { return false; }
    const auto address = address_number(task) - task_offset;
    // NOLINTNEXTLINE(performance-no-int-to-ptr): records are never unmapped
    const auto& record = *reinterpret_cast<const task_record*>(address);
    into.record = &record;
    into.loop_id = core.id;
    for (std::size_t i = 0; i < into.name.size(); ++i) {
        into.name[i] = record.name[i].load(std::memory_order_relaxed);
    }
    into.body = 0;
    into.depth = 0;
    into.truncated = false;
    walk_frames(address, [&into](const frame_base& promise, const frame_base& frame) {
        if (into.depth == into.sites.size()) {
            into.truncated = true;
            return false;
        }
        if (into.depth == 0) { into.body = body_of(promise); }
        into.sites[into.depth++] = frame.site;
        return true;
    });
    into.id = record.id.load(acquire);
    return into.id != 0;
}

}  // namespace detail
}  // namespace coroscope
