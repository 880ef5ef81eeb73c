// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/report/snapshot.hpp>
#include <coroscope/report/source_position.hpp>
#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/loop_table.hpp>
#include <coroscope/runtime/task_table.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace coroscope::instrumentation {

/// Whether a list of tasks has their async stacks.
enum class stacks : std::uint8_t { without, with };

/// The tasks alive now, in the order of their creation: those of the loops with these ids, or of
/// all loops of the process if none is named. At most `limit`, and how many more there are.
///
/// **Thread safety**: any thread, at any time, also while a loop is blocked; no loop waits for it.
/// **Cost**: half a microsecond a task and more, for the texts; as much for each frame of a stack.
[[nodiscard]] report::task_list snapshot_tasks(
    std::span<const std::uint32_t> loops = {},
    std::size_t limit = std::numeric_limits<std::size_t>::max(), stacks wanted = stacks::without);

/// What the loops with these ids have done so far, or all loops if none is named; those that were
/// destroyed, as far as `read_loops` still knows them, with their last figures. Any thread.
[[nodiscard]] std::vector<report::loop_stats> snapshot_loops(
    std::span<const std::uint32_t> loops = {});

/// One task as a value. What it waits on (`wait_object`) has no name here, only an id.
[[nodiscard]] report::task_snapshot to_snapshot(const task_view& task);
[[nodiscard]] report::loop_stats to_stats(const loop_view& l);

/// What a task waits on, for people: `mutex 7`; empty for kinds that have no object.
[[nodiscard]] std::string wait_object_text(wait_kind kind, std::uint64_t object);

/// The async stack of a task that is suspended: `read_task_stack`. Nothing if it runs.
[[nodiscard]] std::optional<report::stack> async_stack_of(const task_view& task);

/// Empty for an unknown site; the function without return type and parameters.
[[nodiscard]] report::source_position position_of(const await_site& site);
/// The same as a frame of an async stack; `?` as function if the site is not known.
[[nodiscard]] report::stack_frame frame_of(const await_site& site);

}  // namespace coroscope::instrumentation
