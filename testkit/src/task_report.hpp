// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/clock.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/task_table.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace coroscope::testkit::detail {

/// An unfinished task and what it waits on.
struct blocked_task {
    task_view view;
    std::string waits_on;               ///< empty if it does not wait
    std::vector<await_site> stack;      ///< innermost first
    std::vector<std::uint64_t> awaits;  ///< ids of the tasks it waits for
};

/// The unfinished tasks of a loop, oldest first. The loop's thread only.
[[nodiscard]] std::vector<blocked_task> blocked_tasks(const loop& of);

/// `task 2 (reader) waits on task 3 (writer)`, then indented lines: where it stands, where it was
/// created.
[[nodiscard]] std::string to_text(const blocked_task& task);

/// `to_text` of each, one below the other, indented, at most a hundred.
[[nodiscard]] std::string to_text(const std::vector<blocked_task>& tasks);

/// A line for each circle of tasks that await each other, each circle once.
[[nodiscard]] std::string await_cycles(const std::vector<blocked_task>& tasks);

/// The unfinished tasks of a loop, from any thread, also while the loop is stuck.
[[nodiscard]] std::string dump_tasks(std::uint32_t loop_id);

/// A length of time in seconds, without needless digits: `1.5 s`.
[[nodiscard]] std::string seconds(duration d);

/// How far a test was and how to run it again: virtual time, seed, and the schedule that is
/// replayed if there is one; a line each.
[[nodiscard]] std::string facts(duration virtual_time, std::uint64_t seed);

/// `what() (type)` of an exception.
[[nodiscard]] std::string exception_text(const std::exception_ptr& exception);

}  // namespace coroscope::testkit::detail
