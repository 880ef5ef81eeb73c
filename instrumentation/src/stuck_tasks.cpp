// SPDX-License-Identifier: Apache-2.0
#include "stuck_tasks.hpp"

#include <coroscope/runtime/detail/task_core.hpp>
#include <coroscope/runtime/future.hpp>

#include <cstdint>
#include <cstring>
#include <optional>
#include <unordered_set>

namespace coroscope::instrumentation {
namespace {

using coroscope::detail::future_awaiter;
using coroscope::detail::future_core;
using coroscope::detail::loop_core;
using coroscope::detail::task_core;

/// How many words of the task's innermost frame, from its begin to the awaiter in it, hold this
/// address: the handles that the waiting coroutine has itself, as its parameters and variables.
[[nodiscard]] std::size_t handles_in_frame(const task_core& task, const void* awaiter,
                                           const future_core& wanted) {
    const auto* at = static_cast<const std::byte*>(task.top->coroutine().address());
    const auto* end = static_cast<const std::byte*>(awaiter);
    constexpr std::ptrdiff_t largest_frame = 1 << 20;
    if (end < at || end - at > largest_frame) { return 0; }  // it lies in another frame
    std::size_t found = 0;
    for (; end - at >= static_cast<std::ptrdiff_t>(sizeof(void*)); at += sizeof(void*)) {
        const void* word = nullptr;
        std::memcpy(static_cast<void*>(&word), at, sizeof word);
        found += word == static_cast<const void*>(&wanted) ? 1U : 0U;
    }
    return found;
}

[[nodiscard]] std::optional<std::string> why_future_is_stuck(const task_core& task) {
    const auto* awaiter = dynamic_cast<const future_awaiter*>(task.waiting_on);
    if (awaiter == nullptr || awaiter->source().kind != wait_kind::future) { return {}; }
    const auto& source = awaiter->source();
    std::vector<task_core*> waiting;
    source.collect_awaiting(waiting);
    // Each of them refers to it once; another handle may be one that it awaits.
    const auto others = source.references() - static_cast<std::uint32_t>(waiting.size());
    const bool are_its_own =
        waiting.size() == 1 && others == handles_in_frame(task, awaiter, source);
    if (others != 0 && !are_its_own) { return {}; }
    return "future " + std::to_string(source.id) + ", to which nobody else has a handle";
}

}  // namespace

void stuck_tasks::look(const loop_core& core, std::size_t steps, const listener& tell) {
    constexpr std::size_t tasks_per_step = 4;
    steps_ += steps;
    const auto count = core.task_count.load(std::memory_order_relaxed);
    if (count > steps_ * tasks_per_step) { return; }
    steps_ = 0;
    std::unordered_set<std::uint64_t> alive;
    for (const auto* task = core.first_task; task != nullptr; task = task->next) {
        if (task->waiting_on == nullptr || task->top == nullptr) { continue; }
        auto why = why_future_is_stuck(*task);
        if (const auto holder = task->waiting_on->held_by(); holder != 0) {
            if (alive.empty()) {
                for (const auto* t = core.first_task; t != nullptr; t = t->next) {
                    alive.insert(t->id());
                }
            }
            if (!alive.contains(holder)) {
                why = "a mutex that task " + std::to_string(holder)
                      + " held when it ended, and never unlocked";
            }
        }
        if (why) { tell({task->info(), task->top->site, *why}); }
    }
}

}  // namespace coroscope::instrumentation
