// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/task_table.hpp>

#include <coroscope/runtime/detail/frame_memory.hpp>
#include <coroscope/runtime/detail/tick_clock.hpp>

#include <algorithm>
#include <tuple>

namespace coroscope {
namespace {

constexpr auto order = std::memory_order_acquire;
constexpr int read_attempts = 16;

[[nodiscard]] std::string read_name(const task_record& record) {
    std::string name;
    for (const auto& c : record.name) {
        const char letter = c.load(order);
        if (letter == '\0') { break; }
        name.push_back(letter);
    }
    return name;
}

/// What changes with every step. Consistent only if the sequence did not move meanwhile.
void read_progress(const task_record& record, std::uint64_t now, task_view& view) {
    view.state = record.state.load(order);
    view.site = record.site.load(order);
    view.steps = record.steps_at(record.sequence.load(order));
    view.busy = detail::tick_clock::to_duration(record.busy_ticks.load(order));
    const auto changed = record.changed_at.load(order);
    view.since_change = detail::tick_clock::to_duration(
        changed == 0 ? 0 : detail::tick_clock::between(changed, now));
    view.waits_for = wait_kind::nothing;
    view.wait_object = 0;
    view.wait_deadline.reset();
    if (view.state == task_state::waiting) {
        view.waits_for = record.waits_for.load(order);
        view.wait_object = record.wait_object.load(order);
        if (view.waits_for == wait_kind::sleep) {
            view.wait_deadline = time_point(duration(record.wait_deadline.load(order)));
        }
    }
}

[[nodiscard]] bool read_record(const task_record& record, std::uint64_t now, task_view& view) {
    bool same_task = false;
    for (int attempt = 0; attempt < read_attempts; ++attempt) {
        const auto before = record.sequence.load(order);
        view.id = record.id.load(order);
        if (record.magic.load(order) != task_record::magic_value || view.id == 0) { return false; }
        view.loop_id = record.loop_id.load(order);
        view.parent_id = record.parent_id.load(order);
        view.created_at = record.created_at.load(order);
        view.name = display_name(view.id, read_name(record));
        read_progress(record, now, view);
        const auto after = record.sequence.load(order);
        same_task = record.id.load(order) == view.id;
        if (same_task && (before & 1U) != 0) {
            // Running: what identifies it does not change, the rest is as of its last suspension.
            view.state = task_state::running;
            view.waits_for = wait_kind::nothing;
            view.wait_object = 0;
            view.wait_deadline.reset();
            return true;
        }
        if (same_task && before == after) { return true; }
    }
    view.state = task_state::running;
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

}  // namespace

std::optional<task_view> read_task(const task_record* record) {
    task_view view;
    if (!is_in_table(record)) { return std::nullopt; }
    if (!read_record(*record, detail::tick_clock::now(), view) || view.state == task_state::done) {
        return std::nullopt;
    }
    return view;
}

std::vector<task_view> read_tasks(std::uint32_t loop_id) {
    std::vector<task_view> views;
    const auto now = detail::tick_clock::now();
    const auto slabs = detail::task_slab_count();
    for (std::size_t s = 0; s < slabs; ++s) {
        const auto slab = detail::task_slab(s);
        for (std::size_t i = 0; i < slab.count; ++i) {
            const auto& record =
                *reinterpret_cast<const task_record*>(slab.first + i * slab.stride);
            if (record.id.load(std::memory_order_relaxed) == 0) { continue; }
            task_view view;
            if (read_record(record, now, view) && view.state != task_state::done
                && (loop_id == 0 || view.loop_id == loop_id)) {
                views.push_back(std::move(view));
            }
        }
    }
    std::sort(views.begin(), views.end(), [](const task_view& a, const task_view& b) {
        return std::tie(a.loop_id, a.id) < std::tie(b.loop_id, b.id);
    });
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
