// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/task_table.hpp>

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

namespace coroscope {
class loop;
class task_handle;
}  // namespace coroscope

namespace coroscope::instrumentation {

/// One task of an `await_graph`.
struct awaiting_task {
    std::uint64_t id = 0;
    std::string name;  ///< `task-ID` where none was given
    task_state state = task_state::ready;
    std::string waits_on;      ///< `sleep`, `mutex 7`, `task 3`; empty: it does not wait
    std::uint64_t holder = 0;  ///< the id of the task that holds the mutex it waits for
    await_site held_since{};   ///< where that task asked for it
    await_site created_at{};
    /// The `co_await`s it stands at, innermost first, across the coroutines it awaits; empty before
    /// its first step.
    std::vector<await_site> stack;
    /// Those that cannot go on before this one ends, or unlocks a mutex, as indices: first those
    /// that wait for its end, in the order in which they came.
    std::vector<std::size_t> awaited_by;
    std::vector<std::size_t> awaits;  ///< the same the other way round
};

/// Which tasks wait for which others: for their end, by awaiting them or through `gather`,
/// `shield`, `wait`, `as_completed`, `wait_for` or a `task_group` that winds up; or for a `mutex`
/// that they hold. A task that several wait for is in it once.
struct await_graph {
    std::vector<awaiting_task> tasks;

    /// The groups of tasks that wait for each other in a circle, each in the order of `tasks`: the
    /// strongly connected components (Tarjan, SIAM J. Comput. 1, 1972). They are stuck for good
    /// unless one of them waits with a timeout, or for whichever task ends first.
    [[nodiscard]] std::vector<std::vector<std::size_t>> circles() const;
};

/// The task, first, and all that wait for it, directly or through others, nearest first.
///
/// **Thread safety**: the thread of the task's loop, also inside of the task itself; where a loop
/// is blocked, `snapshot_tasks` tells from any thread what each task waits on. **Cost**: a
/// microsecond for each task found, some nanoseconds for each other task of the loop.
[[nodiscard]] await_graph capture_await_graph(const task_handle& from);

/// All unfinished tasks of a loop, oldest first. The thread of the loop, or while it does not run.
[[nodiscard]] await_graph capture_await_graph(const loop& of);

/// The async stack of a task: where it stands, from the innermost `co_await` to its root, then who
/// waits for it, and so on to the outermost. Where several do, each has a block of its own; one
/// that was shown before is referred to, and a way back to a task that leads here is called a
/// circle. The thread of the task's loop.
///
///     task 3 (read), waiting: sleep
///       client.cpp:12 in read_some
///       client.cpp:30 in read_all
///     awaited by task 1 (main)
///       main.cpp:8 in program
void print_async_stack(std::ostream& out, const task_handle& task);

/// The whole stack of the task that runs on this thread: what its step has called, down to this
/// call, as a native stack, one function a line, innermost first; then its async stack, whose first
/// line is the `co_await` that the step began at. Native functions have names where the dynamic
/// linker, or the debug information that coroscope was built to read, has them.
void print_current_stack(std::ostream& out);

/// The tasks as a tree: those that nobody awaits, and below each what it waits for. Before them the
/// circles by themselves; after them, if nothing else leads to a circle, its members again with
/// what they wait for besides. A task that several wait for is shown below the first. Any thread.
///
///     task 1 (main), waiting: task 3, at main.cpp:8 in program
///       task 3 (read), waiting: sleep, at client.cpp:12 in read_some
void print_await_tree(std::ostream& out, const await_graph& graph);

}  // namespace coroscope::instrumentation
