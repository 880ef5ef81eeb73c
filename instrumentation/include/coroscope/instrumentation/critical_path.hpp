// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/report/profile.hpp>
#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/clock.hpp>
#include <coroscope/runtime/task_table.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace coroscope::instrumentation {

class flight_recorder;

enum class path_state : std::uint8_t {
    running,       ///< a step of the task, or of a callback
    scheduled,     ///< it was ready, and waited for its turn
    waiting,       ///< for something that no task did: a time, the kernel, another thread
    not_recorded,  ///< before the recorder's time, or overwritten since
};

[[nodiscard]] const char* to_string(path_state state) noexcept;

/// A wait of one task that another one ended: what that one did meanwhile explains it.
struct path_wait {
    static constexpr std::size_t none = static_cast<std::size_t>(-1);

    std::uint64_t task = 0;  ///< who waited
    wait_kind waits_for = wait_kind::nothing;
    await_site at{};
    std::size_t within = none;  ///< the wait that this one explains, in `critical_path::waits`
};

/// What one task did for a part of the time.
struct path_piece {
    duration from{};  ///< since the beginning of the path, as `to`
    duration to{};
    std::uint64_t task = 0;  ///< 0: a callback
    std::string name;        ///< of the task, as listings show it; `a callback`
    path_state state = path_state::running;
    wait_kind waits_for = wait_kind::nothing;  ///< of `waiting`
    /// The `co_await` that it stood at, or ran on from; where it was created, if it had come to
    /// none yet; where a callback was scheduled.
    await_site at{};
    std::size_t explains = path_wait::none;  ///< the innermost wait, in `critical_path::waits`

    [[nodiscard]] duration length() const noexcept { return to - from; }
};

/// What the time from a task's creation to its end went to, whoever spent it.
struct critical_path {
    std::uint64_t task = 0;
    std::string name;
    bool has_ended = false;          ///< false: up to now
    bool is_cut_off = false;         ///< it began before what is recorded, where the path begins
    duration elapsed{};              ///< the sum of the pieces, to the nanosecond
    std::vector<path_piece> pieces;  ///< one after the other, without a gap
    std::vector<path_wait> waits;
    std::uint64_t overwritten = 0;  ///< events that the recorder has no longer
};

/// Follows one task back from its end, or from now. What it ran and where it waited for its turn is
/// its own. A wait belongs to the task that ended it, as far as that one's own steps, turns and
/// waits go, and those in turn to whoever ended them: a request that awaits a child that waits for
/// a mutex is shown what the holder of the mutex did. What nobody did is left: a sleep, I/O, a job
/// in an executor. Of a wait that has not ended, the holder of the mutex or the awaited task is the
/// one. Nothing if the recorder knows no such task.
///
///     loop.add_observer(recorder);
///     …
///     if (const auto path = find_critical_path(recorder, request.id())) {
///         std::cout << critical_path_text(*path);
///     }
///
/// The walk back along wake-ups is that of Yang and Miller (Critical path analysis for the
/// execution of parallel and distributed programs, ICDCS 1988); what it does with one wait is the
/// cascaded redistribution of wPerf (Zhou et al., OSDI 2018).
///
/// Time is real time, whatever clock the loop has, from the steps and wake-ups in the recorder's
/// ring: what is overwritten there is `not_recorded` here, and so is everything where
/// `loop_options::time_stats` is off. A chain of wake-ups is followed over 1000 of them: the wait
/// beyond is left as `waiting`.
///
/// **Thread safety**: any thread at any time; while the loop runs on another one, its last steps
/// may be missing, and count for what came before them. **Cost**: reads the whole ring: some ten
/// nanoseconds an event.
[[nodiscard]] std::optional<critical_path> find_critical_path(const flight_recorder& recorder,
                                                              std::uint64_t task_id);
/// Of the youngest task with that name.
[[nodiscard]] std::optional<critical_path> find_critical_path(const flight_recorder& recorder,
                                                              std::string_view name);

/// The pieces as a profile of the kind `critical_path` with the one value `elapsed`: a piece's
/// stack is what it was (`[running]`, `[scheduled]`, `[sleep]`), where, and then the awaits that it
/// explains, out to the task's own, or 64 frames in all.
[[nodiscard]] report::profile to_profile(const critical_path& path);

/// The pieces as a table, alike ones added up, the longest `most` first.
///
///     task 1 (request), ended after 100 ms
///        60.1 %  60.1 ms  holder: waited for sleep at store.cpp:31 in write
[[nodiscard]] std::string critical_path_text(const critical_path& path, std::size_t most = 20);

}  // namespace coroscope::instrumentation
