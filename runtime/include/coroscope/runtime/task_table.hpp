// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/clock.hpp>

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace coroscope {

enum class task_state : std::uint8_t {
    ready,    ///< will run when its turn comes
    running,  ///< its step runs now
    waiting,  ///< waits for what `wait_kind` says
    done,     ///< has a result, an exception, or was cancelled
};

/// What a waiting task waits for.
enum class wait_kind : std::uint8_t {
    nothing,
    sleep,     ///< a point in time
    task,      ///< another task's end; the object is that task's id
    future,    ///< a future's result; the object is the future's id
    gather,    ///< several tasks; the object is the gather's id
    executor,  ///< a job in an executor; the object is its future's id
    io,        ///< an Asio operation; the object is the operation's id
    clock,     ///< a fake clock's advance to be done
    mutex,     ///< a mutex; the object is its id, and so for the following
    event,
    condition,  ///< a notification (the mutex afterwards is `mutex`)
    semaphore,
    barrier,
    queue,      ///< an item, or room for one
    group,      ///< the tasks of a `task_group`, or those that `wait` was given
    generator,  ///< another task's step of the same generator to be done
    process,    ///< a subprocess's end
};

[[nodiscard]] const char* to_string(task_state state) noexcept;
[[nodiscard]] const char* to_string(wait_kind kind) noexcept;

/// A task's entry in the task table: fixed layout, in memory that is never unmapped. The loop's
/// thread writes it with plain stores; anybody may read it at any time, without stopping the
/// loop, through `read_tasks`.
///
/// `sequence` is odd while the loop runs the task or changes the record. A record whose `id` is 0
/// is free.
struct alignas(64) task_record {
    static constexpr std::uint32_t magic_value = 0x6b736174;  // "task"
    static constexpr std::size_t name_capacity = 32;

    // What changes with every step: one cache line.
    std::atomic<std::uint64_t> sequence{0};
    std::atomic<task_state> state{task_state::ready};
    std::atomic<wait_kind> waits_for{wait_kind::nothing};
    std::atomic<await_site> site{};
    std::atomic<std::uint64_t> wait_object{0};
    std::atomic<std::int64_t> wait_deadline{0};    ///< loop time in ns; only for `wait_kind::sleep`
    std::atomic<std::uint64_t> first_sequence{0};  ///< the sequence when the task was created
    std::atomic<std::uint64_t> busy_ticks{0};
    std::atomic<std::uint64_t> changed_at{0};  ///< tick stamp of the last step's end

    // What stays.
    std::atomic<std::uint32_t> magic{0};
    std::atomic<std::uint32_t> loop_id{0};
    std::atomic<std::uint64_t> id{0};
    std::atomic<std::uint64_t> parent_id{0};  ///< the task that created this one; 0: none
    std::atomic<await_site> created_at{};
    std::array<std::atomic<char>, name_capacity> name{};  ///< cut if longer; empty: no name given

    /// Each step takes the sequence up by two, so that steps need no counter of their own.
    [[nodiscard]] std::uint64_t steps_at(std::uint64_t now) const noexcept {
        return (now - first_sequence.load(std::memory_order_acquire)) / 2;
    }
};

/// A consistent copy of one record.
struct task_view {
    std::uint64_t id = 0;
    std::uint32_t loop_id = 0;
    std::uint64_t parent_id = 0;
    std::string name;  ///< `task-ID` where none was given
    task_state state = task_state::ready;
    wait_kind waits_for = wait_kind::nothing;
    std::uint64_t wait_object = 0;
    std::optional<time_point> wait_deadline;
    await_site site{};        ///< the innermost co_await; for a running task, where its step began
    await_site created_at{};  ///< the `create_task` call
    std::uint64_t steps = 0;
    duration busy{};          ///< real time spent running
    duration since_change{};  ///< real time since the last step ended
};

/// Copies the records of all tasks alive in this process, or of one loop (`loop_id` other than 0),
/// in order of creation. **Thread safety**: any thread, at any time, also while a loop is blocked;
/// takes no lock that a loop takes. A record that keeps changing while it is read is reported as
/// running with what does not change. **Cost**: about a microsecond for ten tasks.
[[nodiscard]] std::vector<task_view> read_tasks(std::uint32_t loop_id = 0);

/// Copies one record, if it is in the task table and a task's that is alive. **Thread safety**: any
/// thread, at any time, whatever became of the task.
[[nodiscard]] std::optional<task_view> read_task(const task_record* record);

/// The name that listings show: the given one, or `task-ID`.
[[nodiscard]] std::string display_name(std::uint64_t id, std::string_view given);

}  // namespace coroscope
