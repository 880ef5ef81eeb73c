// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/report/histogram.hpp>
#include <coroscope/report/json_view.hpp>
#include <coroscope/report/source_position.hpp>
#include <coroscope/report/stack.hpp>

#include <nlohmann/json_fwd.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace coroscope::report {

enum class task_state {
    unknown,    ///< a state that this reader does not know
    ready,      ///< will run as soon as the loop gets to it
    running,    ///< on the loop's thread right now
    waiting,    ///< suspended
    done,       ///< returned
    failed,     ///< ended with an exception
    cancelled,  ///< ended by cancellation
};

/// One task as it was at one moment. Loop times are the loop's own clock, which tests may fake.
struct task_snapshot {
    std::uint64_t id = 0;
    std::uint64_t loop_id = 0;
    std::string name;
    task_state state = task_state::unknown;
    source_position created_at;
    /// `created_at`, then the co_awaits through which its creator had come there, innermost first;
    /// empty where only `created_at` was kept.
    std::vector<source_position> origin;
    std::uint64_t parent_id = 0;  ///< the task that created it; 0: none
    source_position await_site;   ///< innermost `co_await`; empty before the first

    std::string wait_kind;    ///< `sleep`, `future`, `task`, `mutex`, `queue`, `socket` …; empty:
                              ///< waits on nothing
    std::string wait_object;  ///< which one, for people: `task 7 'fetch'`, `fd 9`
    std::string wait_owner;   ///< the task that holds it, likewise; empty: none, or not known
    std::optional<std::chrono::nanoseconds> wait_deadline;  ///< loop time
    std::optional<std::chrono::nanoseconds> waiting_for;    ///< real time since it was suspended
    std::optional<std::chrono::nanoseconds> taken_at;       ///< loop time of this snapshot

    std::uint64_t steps = 0;           ///< times it was resumed
    std::chrono::nanoseconds busy{0};  ///< time spent running, suspensions excluded
    std::optional<std::chrono::nanoseconds> scheduled;  ///< time it was ready and had to wait
    std::optional<std::chrono::nanoseconds> waiting;    ///< time it waited for what it asked for

    /// Of coroutine frames: each that it began.
    std::optional<std::uint64_t> allocations;
    std::optional<std::uint64_t> frame_bytes;  ///< of its coroutine frames now

    /// Async stack: the co_await of each frame, innermost first; nothing where it was not asked
    /// for, or the task ran.
    std::optional<stack> async_stack;

    /// How long until the deadline; negative where it has passed; nothing where not known.
    [[nodiscard]] std::optional<std::chrono::nanoseconds> due_in() const;

    friend bool operator==(const task_snapshot&, const task_snapshot&) = default;
};

/// Some of a program's tasks.
struct task_list {
    std::vector<task_snapshot> tasks;
    std::uint64_t omitted = 0;  ///< tasks that a limit kept out

    friend bool operator==(const task_list&, const task_list&) = default;
};

/// One call of a profiled function. Times are the loop's clock, or the wall clock outside a loop.
struct call_record {
    std::chrono::nanoseconds start{0};
    std::chrono::nanoseconds end{0};
    std::chrono::nanoseconds delta{0};

    friend bool operator==(const call_record&, const call_record&) = default;
};

/// What became of all calls of one profiled name. Calls that threw or were cancelled count.
struct time_stats {
    std::uint64_t calls = 0;  ///< finished ones: returned + threw + cancelled
    std::uint64_t returned = 0;
    std::uint64_t threw = 0;
    std::uint64_t cancelled = 0;
    std::chrono::nanoseconds total{0};  ///< elapsed, waiting included
    std::chrono::nanoseconds min{0};
    std::chrono::nanoseconds max{0};
    std::chrono::nanoseconds last{0};
    std::chrono::nanoseconds busy{0};  ///< of `total`, what was spent running
    std::vector<call_record> recent;   ///< the last calls, oldest first; bounded by the profiler
    std::uint64_t recent_dropped = 0;  ///< calls that no longer fit into `recent`
    histogram lengths{};               ///< of all calls, elapsed

    friend bool operator==(const time_stats&, const time_stats&) = default;
};

/// Profiled name to statistics.
using time_table = std::map<std::string, time_stats, std::less<>>;

/// What one loop did so far.
struct loop_stats {
    std::uint64_t loop_id = 0;
    std::uint64_t steps = 0;
    std::chrono::nanoseconds busy{0};
    std::chrono::nanoseconds idle{0};
    std::uint64_t ready = 0;      ///< waiting for their turn now
    std::uint64_t scheduled = 0;  ///< timers armed now
    std::uint64_t tasks = 0;      ///< alive now

    friend bool operator==(const loop_stats&, const loop_stats&) = default;
};

[[nodiscard]] std::string_view to_string(task_state state);

/// What a task waits on, for people: `task 7`, `mutex 4`, `job 3`; empty where the kind says all.
[[nodiscard]] std::string wait_object_text(std::string_view kind, std::uint64_t object);

[[nodiscard]] nlohmann::json to_json(const task_snapshot& task);
[[nodiscard]] nlohmann::json to_json(const call_record& call);
[[nodiscard]] nlohmann::json to_json(const time_stats& stats);
[[nodiscard]] nlohmann::json to_json(const time_table& table);
[[nodiscard]] nlohmann::json to_json(const loop_stats& stats);

[[nodiscard]] task_snapshot read_task_snapshot(const json_view& json);
[[nodiscard]] call_record read_call_record(const json_view& json);
[[nodiscard]] time_stats read_time_stats(const json_view& json);
[[nodiscard]] time_table read_time_table(const json_view& json);
[[nodiscard]] loop_stats read_loop_stats(const json_view& json);

}  // namespace coroscope::report
