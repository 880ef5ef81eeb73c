// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/task_table.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <span>
#include <string_view>
#include <type_traits>

namespace coroscope {

struct exception_context;

/// Who a hook is about. Valid during the call.
struct task_info {
    std::uint64_t id = 0;
    std::uint64_t parent_id = 0;  ///< the task that created it; 0: none
    std::string_view name;        ///< as given; empty if none was given
    await_site created_at{};
    wait_kind waits_for = wait_kind::nothing;  ///< what has come, in `on_task_woken`
};

enum class task_outcome : std::uint8_t { result, exception, cancelled };

enum class step_kind : std::uint8_t {
    task,      ///< from one resumption of a task to its next suspension
    callback,  ///< one run of a `call_soon`, `call_later` or `call_at` callback
    io_poll,   ///< one poll of Asio, with whatever foreign handlers ran inside it
};

/// One uninterrupted stretch of the loop's thread. Stamps are those of `step_clock`; a step's end
/// is the next one's start.
struct step_record {
    std::uint64_t id = 0;  ///< the task's id, or the handle's
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    await_site from{};  ///< where the task was resumed; a callback: where it was scheduled
    await_site to{};    ///< where it suspended again; unknown if it ended
    /// The task's record; guaranteed to be still this task's only for the last entry of a batch
    /// and for entries that the same batch's `task_finished` has not been sent for.
    const task_record* record = nullptr;
    step_kind kind = step_kind::task;
};

/// Real-time stamps of steps, whatever clock the loop runs under. See `step_record`.
struct step_clock {
    [[nodiscard]] static std::uint64_t now() noexcept;
    [[nodiscard]] static duration between(std::uint64_t from, std::uint64_t to) noexcept;
    [[nodiscard]] static std::chrono::steady_clock::time_point at(std::uint64_t stamp) noexcept;
};

enum class edge_kind : std::uint8_t {
    spawn,   ///< from: creator task, to: created task
    join,    ///< from: finished task, to: task that awaited it
    future,  ///< from: setter task (0: a callback), to: task that awaited it
    timer,   ///< from: task that armed it, to: the same task woken
    post,    ///< from: posting task (0: another thread), to: handle
    io,      ///< from: 0, to: task whose operation completed
    // From the task that released, set, notified or put (0: a callback) to the task that it woke:
    mutex,
    event,
    condition,
    semaphore,
    barrier,
    queue,
};

/// What the runtime comes across on paths that are rare, or an error, anyway.
enum class remark_kind : std::uint8_t {
    never_awaited,      ///< a coroutine was destroyed before its first step
    destroyed_pending,  ///< a task was destroyed before its end, because its loop was closed
    lost_exception,     ///< nobody retrieved the exception of a task or future that is gone
    wrong_thread,       ///< a call came from another thread than the loop's; in debug mode only
    nothing_there,      ///< something could not be done now: `get_nowait` on an empty queue
    end_again,          ///< the end of a stream was read, and not for the first time
    passed_through,     ///< a mutex, a permit or a drained stream that there was no wait for
    lock_held,          ///< a thread's lock was held from one step to another; see `lock_watch`
    large_block,        ///< a coroutine frame too large for the slabs was allocated
};

/// One of these, with what is known about it. Valid during the call.
struct remark {
    remark_kind kind{};
    std::uint64_t task_id = 0;    ///< whose step it happened in, or whom it is about; 0: no task
    std::string_view task_name;   ///< as given; empty if none was given
    await_site created_at{};      ///< of the task or future it is about
    await_site site{};            ///< the last `co_await` that the task came to, or the call itself
    std::uint64_t object_id = 0;  ///< of the future, queue, mutex; 0: none
    std::size_t amount = 0;       ///< the bytes of a block; how often an end was read again
    const void* code = nullptr;   ///< an address in the code of the coroutine; null: not known
    const char* what = "";        ///< the operation: `queue::get_nowait`
    /// For `wrong_thread` all of it, for an exception what it says, for a stream its other end.
    std::string_view text;
};

/// Which hooks an observer wants: one bit each, in the order of `observer`'s members.
enum class hook : std::uint32_t {
    task_created = 1U << 0U,
    task_finished = 1U << 1U,
    steps = 1U << 2U,
    task_woken = 1U << 3U,
    tick = 1U << 4U,
    callback_begins = 1U << 5U,
    callback_ends = 1U << 6U,
    edge = 1U << 7U,
    exception = 1U << 8U,
    frame = 1U << 9U,
    slow_step = 1U << 10U,
    slow_threshold = 1U << 11U,
    remark = 1U << 12U,
};

using hook_set = std::uint32_t;

[[nodiscard]] constexpr hook_set operator|(hook a, hook b) noexcept {
    return static_cast<hook_set>(a) | static_cast<hook_set>(b);
}
[[nodiscard]] constexpr hook_set operator|(hook_set a, hook b) noexcept {
    return a | static_cast<hook_set>(b);
}

/// Watches one loop. Override what you want to see and attach it with `loop::add_observer`; a hook
/// that nobody overrides costs the loop one predictable branch. Observers watch: they must not
/// change what runs, must not throw, and must not block, since they run inside the loop.
///
/// Order: `task_created` comes before everything else about a task, `task_finished` after it.
/// `steps` arrive in batches, oldest first, always before the `task_finished` of a task in them,
/// and at once when a step took at least `slow_callback_duration`; `slow_step` follows that batch.
/// Nothing is sent for a task that was alive before the observer was attached, except its steps,
/// wake-ups and end. Where `loop_options::time_stats` is off, there are no steps, slow or not.
///
/// Whoever wants nothing but slow steps should not ask for `steps`: to keep a record of each until
/// the batch is delivered costs more than the step's bookkeeping otherwise.
/// **Thread safety**: called on the loop's thread. **Lifetime**: must outlive its attachment.
class observer {
public:
    virtual ~observer() = default;

    virtual void on_task_created(const task_info&) noexcept {}
    virtual void on_task_finished(const task_info&, task_outcome) noexcept {}
    virtual void on_steps(std::span<const step_record>) noexcept {}
    /// A task that waited is ready again. A yield is no wait.
    virtual void on_task_woken(const task_info&) noexcept {}
    /// A pass over the ready queue begins: how many things are ready, how many timers armed.
    virtual void on_tick(std::size_t ready, std::size_t scheduled) noexcept {
        static_cast<void>(ready);
        static_cast<void>(scheduled);
    }
    virtual void on_callback_begins(std::uint64_t handle_id, await_site created_at) noexcept {
        static_cast<void>(handle_id);
        static_cast<void>(created_at);
    }
    virtual void on_callback_ends(std::uint64_t handle_id) noexcept {
        static_cast<void>(handle_id);
    }
    virtual void on_edge(edge_kind kind, std::uint64_t from, std::uint64_t to) noexcept {
        static_cast<void>(kind);
        static_cast<void>(from);
        static_cast<void>(to);
    }
    /// An exception reached the loop's exception handler.
    virtual void on_exception(const exception_context&) noexcept {}
    /// A coroutine frame was allocated (`bytes` > 0) or freed (`bytes` < 0) on the loop's thread.
    virtual void on_frame(std::ptrdiff_t bytes) noexcept { static_cast<void>(bytes); }
    /// A step took at least the loop's `slow_callback_duration`. Sent at its end, while its task
    /// still exists; what observers do now is no part of the next step.
    virtual void on_slow_step(const step_record&) noexcept {}
    /// The threshold of slow steps: when a run begins, and when it changes during one; and when
    /// the observer is attached during a run.
    virtual void on_slow_threshold(duration threshold) noexcept { static_cast<void>(threshold); }

    /// Something remarkable happened, also while the loop is being closed.
    virtual void on_remark(const remark&) noexcept {}

    /// For observers whose static type is not known where they are attached: the hooks they want.
    [[nodiscard]] virtual hook_set hooks() const noexcept { return ~hook_set{0}; }

protected:
    observer() = default;
    observer(const observer&) = default;
    observer& operator=(const observer&) = default;
};

namespace detail {

template <class Member>
struct member_class;
template <class Class, class Type>
struct member_class<Type Class::*> {
    using type = Class;
};

/// The hooks that `T` overrides, read off its static type.
template <class T>
[[nodiscard]] constexpr hook_set overridden_hooks() noexcept {
    hook_set set = 0;
    const auto add = [&set]<class Member>(Member, hook which) {
        if (!std::is_same_v<typename member_class<Member>::type, observer>) { set = set | which; }
    };
    add(&T::on_task_created, hook::task_created);
    add(&T::on_task_finished, hook::task_finished);
    add(&T::on_steps, hook::steps);
    add(&T::on_task_woken, hook::task_woken);
    add(&T::on_tick, hook::tick);
    add(&T::on_callback_begins, hook::callback_begins);
    add(&T::on_callback_ends, hook::callback_ends);
    add(&T::on_edge, hook::edge);
    add(&T::on_exception, hook::exception);
    add(&T::on_frame, hook::frame);
    add(&T::on_slow_step, hook::slow_step);
    add(&T::on_slow_threshold, hook::slow_threshold);
    add(&T::on_remark, hook::remark);
    return set;
}

}  // namespace detail
}  // namespace coroscope
