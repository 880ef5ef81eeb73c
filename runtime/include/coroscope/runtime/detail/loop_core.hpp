// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/clock.hpp>
#include <coroscope/runtime/detail/callback.hpp>
#include <coroscope/runtime/detail/published.hpp>
#include <coroscope/runtime/detail/ready_queue.hpp>
#include <coroscope/runtime/detail/tick_clock.hpp>
#include <coroscope/runtime/detail/timer_queue.hpp>
#include <coroscope/runtime/observer.hpp>
#include <coroscope/runtime/schedule_policy.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>

namespace coroscope {
class loop;
}

namespace coroscope::detail {

class generator_promise_base;
class inbox;
struct pause_sink;
class sleep_hook;
class step_batch;
class task_core;

/// A counter whose owner is its only writer needs no atomic addition.
template <class T>
void add_to(std::atomic<T>& counter, T amount) noexcept {
    counter.store(counter.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
}

/// The part of a loop that awaitables touch: its queues, its clock, and what is running. Counted,
/// because tasks and futures may outlive their loop; `self` is null from then on.
struct loop_core {
    explicit loop_core(loop& owner, clock& c) : self(&owner), time(&c) {}
    loop_core(const loop_core&) = delete;
    loop_core& operator=(const loop_core&) = delete;

    void add_reference() noexcept { ++references_; }
    void release() noexcept {
        if (--references_ == 0) { delete this; }
    }

    loop* self;
    clock* time;
    ready_queue ready;
    timer_queue timers;
    published<task_core*> current{nullptr};
    published<handle_state*> callback{nullptr};  ///< that runs now
    published<await_site> callback_created_at;   ///< of that, or of one before it
    /// Waits for something to do; set with what led here published, and taken back likewise.
    std::atomic<bool> waits{false};
    task_core* first_task = nullptr;  ///< every unfinished task, oldest first
    task_core* last_task = nullptr;
    std::atomic<std::size_t> task_count{0};
    generator_promise_base* first_generator = nullptr;  ///< begun and not ended, newest first
    std::size_t io_operations = 0;
    std::size_t jobs = 0;
    std::uint64_t next_task_id = 1;
    std::uint64_t next_object_id = 1;
    std::uint32_t id = 0;
    hook_set hooks = 0;
    std::size_t origin_depth = 1;  ///< see `loop::set_origin_depth`
    bool debug = false;
    bool is_copy = false;          ///< this process was forked from the one that made the loop
    bool has_left_parent = false;  ///< and the copy shares nothing with that loop any more
    /// Stamp; null: steps are not measured.
    const published<std::uint64_t>* step_began = nullptr;
    std::atomic<std::thread::id> runs_on{};  ///< the thread inside `run_*`; none: not running
    std::shared_ptr<inbox> mail;             ///< what other threads send
    pause_sink* pauses = nullptr;            ///< the first of them; null: nobody wants them
    sleep_hook* sleeps = nullptr;            ///< null: sleeps last as long as they should
    std::shared_ptr<const step_batch> unsent_steps;  ///< that observers have not been told of yet
    schedule_policy* policy = nullptr;               ///< null: first in, first out
    /// Whose step runs, where a policy is set: a task's id twice, or a callback's twice plus one;
    /// 1: none. What has the same number keeps its order.
    std::uint64_t turn = from_outside;

    static constexpr std::uint64_t from_outside = 1;
    /// A bit of `hooks` that no observer has: a policy wants to know who creates what.
    static constexpr hook_set has_policy = hook_set{1} << 31U;

    [[nodiscard]] bool wants(hook which) const noexcept {
        return (hooks & static_cast<hook_set>(which)) != 0;
    }

    /// When the step began that runs now. An idle wait has begun long ago: what ends it is stamped
    /// on its own. Only where steps are measured.
    [[nodiscard]] std::uint64_t stamp_of_now() const noexcept {
        return waits.load(std::memory_order_relaxed) ? tick_clock::now() : step_began->get();
    }

    /// Whether observers want it, or there is a policy, at the cost of either question.
    [[nodiscard]] bool is_told_of(hook which) const noexcept {
        return (hooks & (static_cast<hook_set>(which) | has_policy)) != 0;
    }

    /// Arms a timer; a deadline that has come already makes its target ready, behind what is
    /// ready and behind older timers that are due. The largest deadline never comes.
    void arm(timer_node& node, time_point deadline, time_point now);
    /// Makes the targets of all due timers ready, in order; with a policy, those of the earliest
    /// instant only.
    void collect_due_timers(time_point now);
    void make_ready(ready_entry target);

    /// A callback was posted, or a timer armed with one.
    void notify_posted(handle_state& posted) noexcept;
    void notify_woken(task_core& task) noexcept;
    /// To the thread sanitizer, where the library is compiled with it.
    void show_name_of(const task_core& task) noexcept;
    void notify_edge(edge_kind kind, std::uint64_t from, std::uint64_t to) noexcept;
    void notify_remark(const remark& made) noexcept;

    /// Notes who puts it into the queue, and tells the policy.
    void note_creator(handle_state& posted) noexcept;
    void note_creator(const task_core& started) const noexcept;

private:
    [[nodiscard]] std::uint64_t creator() const noexcept;
    ~loop_core() = default;
    std::uint32_t references_ = 1;
};

inline constinit thread_local loop_core* running_loop = nullptr;

/// Fills in the task that runs on this thread now and where it stands, and tells the observers of
/// its loop, if there is one and they want to know.
void make_remark(remark made) noexcept;

/// Runs `f` on the thread of the loop that the inbox belongs to, soon; false if that loop is
/// closed (`f` is then destroyed here). Any thread.
bool post_mail(inbox& to, callback f, await_site where = {});

/// Throws `std::logic_error` naming `what` unless this thread may use the loop now. Called in debug
/// mode by everything that is not thread-safe.
void check_thread(const loop_core& core, const char* what);

}  // namespace coroscope::detail
