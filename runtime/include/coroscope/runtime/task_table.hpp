// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/clock.hpp>
#include <coroscope/runtime/creation_origin.hpp>

#include <array>
#include <atomic>
#include <cstddef>
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
/// loop: this process through `read_tasks`, others as `task_table_header` describes.
///
/// `sequence` is odd while the loop runs the task or changes the record. A record whose `id` is 0
/// is free. No two tasks of a loop have the same `id`, ever, so that id, loop and an even,
/// unchanged sequence say that a copy is consistent.
struct alignas(64) task_record {
    static constexpr std::uint16_t magic_value = 0x7461;  // "at"
    static constexpr std::size_t name_capacity = 16;
    static constexpr std::uint64_t renaming = std::uint64_t{1} << 56U;  ///< set meanwhile
    static constexpr std::uint64_t renamed = std::uint64_t{1} << 57U;

    // What changes with every step: one cache line. Ticks are those of `step_clock`.
    std::atomic<std::uint64_t> sequence{0};  ///< 2 a step; `renamed` for a name, and frames' end
    std::atomic<task_state> state{task_state::ready};
    std::atomic<wait_kind> waits_for{wait_kind::nothing};
    std::atomic<std::uint16_t> magic{0};
    std::atomic<std::uint32_t> loop_id{0};
    std::atomic<await_site> site{};
    std::atomic<std::uint64_t> busy_ticks{0};       ///< it ran
    std::atomic<std::uint64_t> scheduled_ticks{0};  ///< it was ready and had to wait for its turn
    std::atomic<std::uint64_t> waiting_ticks{0};    ///< it waited for what it asked for
    std::atomic<std::uint64_t> changed_at{0};  ///< stamp of the last step's end, or of creation
    /// Stamp of the last wake-up: when the step (or callback) began that woke it, or what came
    /// during an idle wait did. Before `changed_at`, if the task was not woken since then, but
    /// yielded.
    std::atomic<std::uint64_t> woken_at{0};

    std::atomic<std::uint64_t> wait_object{0};
    /// `wait_kind::sleep`: the deadline in ns of loop time. `wait_kind::mutex`: the address of the
    /// id of the task that holds the mutex.
    std::atomic<std::int64_t> wait_detail{0};
    std::atomic<std::uint64_t> id{0};
    std::atomic<std::uint64_t> parent_id{0};  ///< the task that created this one; 0: none
    std::atomic<creation_origin> origin{};
    /// Allocations, and the frames that it has now; see `memory_word`.
    std::atomic<std::uint64_t> memory{0};
    /// Empty: no name given. Without a terminating zero: longer, or just as long.
    std::array<std::atomic<char>, name_capacity> name{};

    /// What `memory` says: a number of allocations above, blocks of 32 bytes below. As one number,
    /// an allocation and its bytes are counted by one addition. The blocks may be negative: a frame
    /// that another task's step destroyed is taken from that one.
    struct memory_word {
        static constexpr unsigned block_bits = 24;
        static constexpr std::uint64_t block_bytes = 32;
        static constexpr std::uint64_t one_allocation = std::uint64_t{1} << block_bits;

        [[nodiscard]] static constexpr std::uint64_t blocks(std::size_t bytes) noexcept {
            return (bytes + block_bytes - 1) / block_bytes;
        }
        /// A coroutine frame of that size.
        [[nodiscard]] static constexpr std::uint64_t frame(std::size_t bytes) noexcept {
            return one_allocation + blocks(bytes);
        }
        /// Of frames; 0 where it is negative.
        [[nodiscard]] static constexpr std::uint64_t frame_bytes(std::uint64_t word) noexcept {
            const auto count = signed_blocks(word);
            return count > 0 ? static_cast<std::uint64_t>(count) * block_bytes : 0;
        }
        [[nodiscard]] static constexpr std::uint64_t allocations(std::uint64_t word) noexcept {
            return (word - static_cast<std::uint64_t>(signed_blocks(word))) >> block_bits;
        }

    private:
        [[nodiscard]] static constexpr std::int64_t signed_blocks(std::uint64_t word) noexcept {
            constexpr unsigned above = 64 - block_bits;
            return static_cast<std::int64_t>(word << above) >> above;
        }
    };

    /// Each step takes the sequence up by two, so that steps need no counter of their own.
    [[nodiscard]] static constexpr std::uint64_t steps_at(std::uint64_t sequence) noexcept {
        return (sequence & (renaming - 1)) / 2;
    }
};

/// A consistent copy of one record. Intervals that have not ended are counted up to the moment of
/// copying. Durations are real time, and 0 where `loop_options::time_stats` is off.
struct task_view {
    std::uint64_t id = 0;
    std::uint32_t loop_id = 0;
    std::uint64_t parent_id = 0;
    std::string name;  ///< `task-ID` where none was given; a long one is cut
    task_state state = task_state::ready;
    wait_kind waits_for = wait_kind::nothing;
    std::uint64_t wait_object = 0;
    std::uint64_t wait_owner = 0;  ///< the task that holds the mutex waited for; 0: none, not known
    std::optional<time_point> wait_deadline;
    await_site site{};        ///< the innermost co_await; for a running task, where its step began
    await_site created_at{};  ///< the `create_task` call
    creation_origin origin;   ///< that, and what led to it
    std::uint64_t steps = 0;
    duration busy{};       ///< spent running, without the step that runs now
    duration scheduled{};  ///< ready, and waiting for its turn
    duration waiting{};    ///< suspended, waiting for what it asked for
    /// Of coroutine frames: each that it began.
    std::uint64_t allocations = 0;
    /// Of its coroutine frames now, rounded up to blocks of 32; for a running task, as of its step.
    std::uint64_t frame_bytes = 0;
    duration since_change{};              ///< since the last step ended, or since creation
    const task_record* record = nullptr;  ///< what it is a copy of; may be another task's by now
};

/// Copies the records of all tasks alive in this process, or of one loop (`loop_id` other than 0),
/// in order of creation. **Thread safety**: any thread, at any time, also while a loop is blocked;
/// takes no lock that a loop takes. A record that keeps changing while it is read is reported as
/// running with what does not change. A task that lives throughout the call is in the result
/// exactly once. **Cost**: about a microsecond for ten tasks.
[[nodiscard]] std::vector<task_view> read_tasks(std::uint32_t loop_id = 0);

/// Copies one record, if it is in the task table and a task's that is alive. **Thread safety**: any
/// thread, at any time, whatever became of the task.
[[nodiscard]] std::optional<task_view> read_task(const task_record* record);

/// Most sites of `read_task_stack`; outer ones are left out.
inline constexpr std::size_t most_stack_sites = 1'000;

/// The co_awaits that a suspended task stands at, innermost first. Empty if it runs, has ended, or
/// would not stand still. **Thread safety**: as `read_tasks`; on the loop's own thread,
/// `task_handle::stack` costs less. **Cost**: half a microsecond for each site; without a view,
/// some nanoseconds for each task of the process, too.
[[nodiscard]] std::vector<await_site> read_task_stack(const task_view& task);
[[nodiscard]] std::vector<await_site> read_task_stack(std::uint32_t loop_id, std::uint64_t id);

/// The name that listings show: the given one, or `task-ID`.
[[nodiscard]] std::string display_name(std::uint64_t id, std::string_view given);

}  // namespace coroscope
