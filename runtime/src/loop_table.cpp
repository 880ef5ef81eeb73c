// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/loop_table.hpp>

#include "fork_safety.hpp"
#include "loop_registry.hpp"

#include <coroscope/runtime/detail/frame_memory.hpp>
#include <coroscope/runtime/detail/loop_core.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <mutex>
#include <thread>

namespace coroscope {
namespace {

constexpr std::size_t ended_loops_kept = 16;

struct registry {
    std::mutex mutex;
    std::vector<const loop*> alive;
    std::array<loop_view, ended_loops_kept> ended{};
    std::size_t ended_count = 0;
};

registry& the_registry() {
    static auto* const instance = new registry;  // never destroyed: loops may be static
    return *instance;
}

loop_view view_of(const loop& l) noexcept {
    loop_view view;
    view.id = l.id();
    view.state = l.state();
    view.time = l.time();
    view.statistics = l.statistics();
    return view;
}

/// The record lies before its task, which may be gone by now.
const task_record* record_of(const detail::task_core* task) noexcept {
    if (task == nullptr) { return nullptr; }
    return reinterpret_cast<const task_record*>(reinterpret_cast<const std::byte*>(task)
                                                - detail::task_record_bytes);
}

loop_activity activity_of(const detail::loop_core& core) noexcept {
    loop_activity activity;
    // Before the stamp: once a wait has ended, the stamp is as new.
    const bool waits = core.waits.load(std::memory_order_acquire);
    activity.in_step = !waits && core.runs_on.load() != std::thread::id();
    activity.began = *core.step_began;
    if (core.callback != nullptr) {
        activity.kind = step_kind::callback;
        activity.created_at = core.callback_created_at;
    } else if (const auto* task = core.current.get(); task != nullptr) {
        activity.kind = step_kind::task;
        activity.record = record_of(task);
    }
    return activity;
}

}  // namespace

std::vector<loop_view> read_loops() {
    auto& all = the_registry();
    std::vector<loop_view> views;
    {
        const std::lock_guard lock(all.mutex);
        const auto kept = std::min(all.ended_count, ended_loops_kept);
        views.assign(all.ended.begin(), all.ended.begin() + static_cast<std::ptrdiff_t>(kept));
        for (const auto* l : all.alive) {
            views.push_back(view_of(*l));
        }
    }
    std::sort(views.begin(), views.end(),
              [](const loop_view& a, const loop_view& b) { return a.id < b.id; });
    return views;
}

std::optional<loop_activity> read_activity(std::uint32_t loop_id) {
    auto& all = the_registry();
    const std::lock_guard lock(all.mutex);
    for (const auto* l : all.alive) {
        if (l->id() != loop_id) { continue; }
        const auto& core = l->core();
        if (core.step_began == nullptr) { break; }
        return activity_of(core);
    }
    return std::nullopt;
}

namespace detail {

void register_loop(const loop& l) {
    auto& all = the_registry();
    const std::lock_guard lock(all.mutex);
    all.alive.push_back(&l);
}

void unregister_loop(const loop& l) noexcept {
    auto& all = the_registry();
    const std::lock_guard lock(all.mutex);
    if (std::erase(all.alive, &l) == 0) { return; }  // a copy that a fork has made
    auto last = view_of(l);
    last.alive = false;
    all.ended[all.ended_count++ % ended_loops_kept] = last;
}

std::mutex& lock_of_loop_registry() noexcept {
    return the_registry().mutex;
}

void disown_loops() noexcept {
    auto& all = the_registry();  // locked
    for (const auto* l : all.alive) {
        l->core().is_copy = true;
    }
    all.alive.clear();
}

}  // namespace detail
}  // namespace coroscope
