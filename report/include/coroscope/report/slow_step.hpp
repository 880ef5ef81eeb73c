// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/report/finding.hpp>
#include <coroscope/report/json_view.hpp>
#include <coroscope/report/source_position.hpp>
#include <coroscope/report/stack.hpp>
#include <coroscope/report/step_cause.hpp>

#include <nlohmann/json_fwd.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace coroscope::report {

/// What the loop was running when the step was slow.
enum class step_kind {
    task,      ///< a task, from one suspension to the next
    callback,  ///< something given to `call_soon`, `call_later`, a future's callback
    io_poll,   ///< foreign handlers run inside one poll of the I/O context
};

/// One uninterrupted piece of work that kept a loop from everything else for too long.
struct slow_step {
    std::uint64_t sequence =
        0;  ///< 1, 2, 3 … in the order of recording in one process; 0 is unknown
    step_kind kind = step_kind::task;
    std::uint64_t loop_id = 0;
    std::uint64_t task_id = 0;  ///< 0 where it was not a task
    std::string name;           ///< of the task, or of the callback where it has one
    source_position created_at;

    /// The `co_await` at which the step resumed; empty: the step began the coroutine (or callback).
    source_position from;
    /// The `co_await` that it reached next; empty: the step ran to the coroutine's end.
    source_position to;

    std::chrono::nanoseconds wall{0};
    std::optional<std::chrono::nanoseconds>
        cpu;                                ///< of the loop's thread; nothing where not measured
    std::chrono::nanoseconds threshold{0};  ///< in force at the time; the step took at least this
    std::chrono::nanoseconds loop_time{0};  ///< the loop's clock when the step ended
    std::chrono::system_clock::time_point when;  ///< the same moment on the calendar
    std::optional<report::stack> stack;          ///< taken while the step was stuck
    std::string stack_trouble;  ///< why there is no stack although one was tried; empty: no trouble
    std::optional<step_cause> cause;  ///< nothing where nobody watched the step while it ran

    friend bool operator==(const slow_step&, const slow_step&) = default;
};

/// `Executing <what> took 0.150 seconds`: the sentence of asyncio's log, so that filters written
/// for it find ours.
[[nodiscard]] std::string summary(const slow_step& step);

/// Where the step spent its time, `file:line` of `offending_position` first: `file:12 to line 40`,
/// `file:12 to the coroutine's end`, `file:9, reached from the coroutine's start`.
[[nodiscard]] std::string describe_span(const slow_step& step);

/// The line to open first: where the step resumed, else where it came to, else its creation.
[[nodiscard]] const source_position& offending_position(const slow_step& step);

/// Same place, same fingerprint, from run to run; see `make_fingerprint`.
[[nodiscard]] std::string fingerprint(const slow_step& step);

/// The step as a finding of rule `slow-step`.
[[nodiscard]] finding to_finding(const slow_step& step);

[[nodiscard]] std::string_view to_string(step_kind kind);

[[nodiscard]] nlohmann::json to_json(const slow_step& step);
[[nodiscard]] slow_step read_slow_step(const json_view& json);

}  // namespace coroscope::report
