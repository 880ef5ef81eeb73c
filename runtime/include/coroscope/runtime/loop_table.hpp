// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/clock.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/observer.hpp>
#include <coroscope/runtime/task_table.hpp>

#include <cstdint>
#include <optional>
#include <vector>

namespace coroscope {

/// What anybody may know of a loop without holding it.
struct loop_view {
    std::uint32_t id = 0;
    bool alive = true;  ///< false: destroyed, and the rest is as it was at its end
    loop_state state = loop_state::idle;
    time_point time{};  ///< by the loop's own clock
    loop_statistics statistics;
};

/// The loops of this process, oldest first: those alive, and the last 16 that were destroyed, so
/// that whoever reports on a run finds its figures after `run` has returned.
///
/// **Thread safety**: any thread, at any time, also while a loop is blocked; a loop that is being
/// destroyed waits for a reader, no running one ever does.
[[nodiscard]] std::vector<loop_view> read_loops();

/// What a loop's thread does now.
struct loop_activity {
    bool in_step = false;     ///< false: it does not run, or waits for something to do
    std::uint64_t began = 0;  ///< stamp of `step_clock` at which the step began; names the step
    step_kind kind = step_kind::io_poll;
    const task_record* record = nullptr;  ///< of the task, for `read_task`
    await_site created_at{};              ///< where the callback was scheduled
};

/// The step that a loop is in; nothing if no such loop is alive, or its steps are not measured
/// (`loop_options::time_stats`). What kind of step it is may be said wrongly in the first moments
/// of one, `began` may not. A handler of other code that the loop runs when it wakes from waiting
/// counts as waiting.
///
/// **Thread safety**: as `read_loops`. **Cost**: a lock and some loads.
[[nodiscard]] std::optional<loop_activity> read_activity(std::uint32_t loop_id);

}  // namespace coroscope
