// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/task_table.hpp>

#include <coroscope/runtime/detail/frame_memory.hpp>
#include <coroscope/runtime/detail/tick_clock.hpp>
#include <coroscope/runtime/task_table_header.hpp>

#include "own_memory.hpp"

#include <algorithm>
#include <tuple>

namespace coroscope {
namespace {

using detail::copy_own_memory;
using detail::read_own_memory;

constexpr auto order = std::memory_order_acquire;
constexpr int read_attempts = 16;

[[nodiscard]] std::uint64_t address_of(const task_record& record) noexcept {
    return reinterpret_cast<std::uintptr_t>(&record);
}

/// The name as the task itself has it; as much as the record has, where that cannot be read.
[[nodiscard]] std::string read_long_name(const task_record& record, std::string beginning) {
    constexpr std::size_t longest = 256;
    const auto& table = coroscope_task_table;
    const auto extras =
        read_own_memory<std::uint64_t>(address_of(record) + table.name_extras_offset);
    const auto letters = read_own_memory<std::uint64_t>(extras + table.name_address_offset);
    const auto length = read_own_memory<std::uint64_t>(extras + table.name_length_offset);
    std::string name(std::min<std::size_t>(length, longest), '\0');
    const bool is_read = copy_own_memory(letters, name.data(), name.size());
    return is_read && name.starts_with(beginning) ? name : beginning;
}

[[nodiscard]] std::string read_name(const task_record& record) {
    std::string name;
    for (const auto& c : record.name) {
        const char letter = c.load(order);
        if (letter == '\0') { return name; }
        name.push_back(letter);
    }
    return read_long_name(record, std::move(name));
}

/// Whoever waits for a mutex keeps it alive: if the record is the same afterwards, so was the
/// mutex.
[[nodiscard]] std::uint64_t read_owner(const task_record& record) {
    return read_own_memory<std::uint64_t>(
        static_cast<std::uint64_t>(record.wait_detail.load(order)));
}

void forget_wait(task_view& view) noexcept {
    view.waits_for = wait_kind::nothing;
    view.wait_object = 0;
    view.wait_owner = 0;
    view.wait_deadline.reset();
}

void read_wait(const task_record& record, task_view& view) {
    forget_wait(view);
    if (view.state != task_state::waiting) { return; }
    view.waits_for = record.waits_for.load(order);
    view.wait_object = record.wait_object.load(order);
    if (view.waits_for == wait_kind::sleep) {
        view.wait_deadline = time_point(duration(record.wait_detail.load(order)));
    } else if (view.waits_for == wait_kind::mutex) {
        view.wait_owner = read_owner(record);
    }
}

void read_times(const task_record& record, std::uint64_t now, task_view& view) {
    using clock = detail::tick_clock;
    view.busy = clock::to_duration(record.busy_ticks.load(order));
    const auto changed = record.changed_at.load(order);
    const auto woken = record.woken_at.load(order);
    auto scheduled = record.scheduled_ticks.load(order);
    auto waiting = record.waiting_ticks.load(order);
    view.since_change = clock::to_duration(changed == 0 ? 0 : clock::between(changed, now));
    if (changed != 0 && view.state == task_state::waiting) {
        waiting += clock::between(changed, now);
    } else if (changed != 0 && view.state == task_state::ready) {
        const auto ready = std::max(changed, woken);
        waiting += ready - changed;
        scheduled += clock::between(ready, now);
    }
    view.scheduled = clock::to_duration(scheduled);
    view.waiting = clock::to_duration(waiting);
}

/// What changes with every step. Consistent only if the sequence did not move meanwhile.
void read_progress(const task_record& record, std::uint64_t now, task_view& view) {
    view.state = record.state.load(order);
    view.site = record.site.load(order);
    view.steps = task_record::steps_at(record.sequence.load(order));
    const auto memory = record.memory.load(order);
    view.allocations = task_record::memory_word::allocations(memory);
    view.frame_bytes = task_record::memory_word::frame_bytes(memory);
    read_times(record, now, view);
    read_wait(record, view);
}

void read_identity(const task_record& record, task_view& view) {
    view.loop_id = record.loop_id.load(order);
    view.parent_id = record.parent_id.load(order);
    view.origin = record.origin.load(order);
    view.created_at = view.origin.call();
    view.name = display_name(view.id, read_name(record));
}

/// Running: what identifies it does not change, the rest is as of its last suspension.
void show_running(task_view& view) noexcept {
    view.state = task_state::running;
    forget_wait(view);
}

/// Whether there is a task in the record, the same one all the while.
[[nodiscard]] bool read_record(const task_record& record, std::uint64_t now, task_view& view) {
    view.record = &record;
    bool same_task = false;
    for (int attempt = 0; attempt < read_attempts; ++attempt) {
        const auto before = record.sequence.load(order);
        view.id = record.id.load(order);
        if (record.magic.load(order) != task_record::magic_value || view.id == 0) { return false; }
        read_identity(record, view);
        read_progress(record, now, view);
        const auto after = record.sequence.load(order);
        same_task = record.id.load(order) == view.id && record.loop_id.load(order) == view.loop_id;
        const bool is_named =
            (before & task_record::renaming) == 0 && (before ^ after) < task_record::renaming;
        if (!is_named) { view.name = display_name(view.id, {}); }
        if (!same_task || before != after || !is_named) { continue; }
        if ((before & 1U) != 0) {
            show_running(view);
            return true;
        }
        if (record.state.load(order) == view.state) { return true; }
    }
    show_running(view);
    return same_task;
}

/// Whether there is a record at this address, and always will be.
[[nodiscard]] bool is_in_table(const task_record* record) {
    const auto address = reinterpret_cast<std::uintptr_t>(record);
    const auto slabs = detail::task_slab_count();
    for (std::size_t s = 0; s < slabs; ++s) {
        const auto slab = detail::task_slab(s);
        const auto offset = address - reinterpret_cast<std::uintptr_t>(slab.first);
        if (offset < slab.count * slab.stride) { return offset % slab.stride == 0; }
    }
    return false;
}

/// A record that held a task of interest when it was looked at.
struct found_record {
    std::uint32_t loop_id;
    std::uint64_t id;
    const task_record* record;
    [[nodiscard]] bool operator<(const found_record& other) const noexcept {
        return std::tie(loop_id, id) < std::tie(other.loop_id, other.id);
    }
};

[[nodiscard]] std::vector<found_record> find_records(std::uint32_t loop_id) {
    std::vector<found_record> found;
    const auto slabs = detail::task_slab_count();
    for (std::size_t s = 0; s < slabs; ++s) {
        const auto slab = detail::task_slab(s);
        for (std::size_t i = 0; i < slab.count; ++i) {
            const auto& record =
                *reinterpret_cast<const task_record*>(slab.first + i * slab.stride);
            const auto id = record.id.load(order);
            const auto loop = record.loop_id.load(order);
            if (id != 0 && (loop_id == 0 || loop == loop_id)) {
                found.push_back({loop, id, &record});
            }
        }
    }
    return found;
}

}  // namespace

std::optional<task_view> read_task(const task_record* record) {
    task_view view;
    if (!is_in_table(record)) { return std::nullopt; }
    if (!read_record(*record, detail::tick_clock::now(), view) || view.state == task_state::done) {
        return std::nullopt;
    }
    return view;
}

// Sorted before they are copied: copies are ten times as large.
std::vector<task_view> read_tasks(std::uint32_t loop_id) {
    auto found = find_records(loop_id);
    std::sort(found.begin(), found.end());
    const auto now = detail::tick_clock::now();
    std::vector<task_view> views;
    views.reserve(found.size());
    for (const auto& each : found) {
        auto& view = views.emplace_back();
        const bool is_it = read_record(*each.record, now, view) && view.id == each.id
                           && view.loop_id == each.loop_id && view.state != task_state::done;
        if (!is_it) { views.pop_back(); }  // has ended meanwhile
    }
    return views;
}

std::string display_name(std::uint64_t id, std::string_view given) {
    return given.empty() ? "task-" + std::to_string(id) : std::string(given);
}

const char* to_string(task_state state) noexcept {
    switch (state) {
    case task_state::ready: return "ready";
    case task_state::running: return "running";
    case task_state::waiting: return "waiting";
    case task_state::done: return "done";
    }
    return "?";
}

const char* to_string(wait_kind kind) noexcept {
    switch (kind) {
    case wait_kind::nothing: return "nothing";
    case wait_kind::sleep: return "sleep";
    case wait_kind::task: return "task";
    case wait_kind::future: return "future";
    case wait_kind::gather: return "gather";
    case wait_kind::executor: return "executor";
    case wait_kind::io: return "io";
    case wait_kind::mutex: return "mutex";
    case wait_kind::event: return "event";
    case wait_kind::condition: return "condition";
    case wait_kind::semaphore: return "semaphore";
    case wait_kind::barrier: return "barrier";
    case wait_kind::queue: return "queue";
    case wait_kind::group: return "group";
    case wait_kind::generator: return "generator";
    case wait_kind::process: return "process";
    case wait_kind::clock: return "clock";
    }
    return "?";
}

}  // namespace coroscope
