// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/detail/completion.hpp>
#include <coroscope/runtime/detail/context_cell.hpp>
#include <coroscope/runtime/detail/frame_memory.hpp>
#include <coroscope/runtime/detail/loop_core.hpp>
#include <coroscope/runtime/detail/result_slot.hpp>
#include <coroscope/runtime/task_table.hpp>

#include <coroutine>
#include <cstdint>
#include <memory>
#include <string>
#include <typeinfo>
#include <vector>

namespace coroscope::detail {

static_assert(sizeof(task_record) == task_record_bytes);

/// Base of every promise: one link of a task's chain of frames.
struct frame_base {
    frame_base* parent = nullptr;  ///< the frame that awaits this one; null: the task's root
    task_core* task = nullptr;
    await_site site{};  ///< the co_await it stands at

    /// The coroutine whose promise this is the base of. No pointer for it is kept: a promise lies
    /// at the same place in every frame, as long as it needs no larger alignment than malloc's.
    [[nodiscard]] std::coroutine_handle<> coroutine() noexcept {
        return std::coroutine_handle<frame_base>::from_promise(*this);
    }
};

/// Whether `frame_base::coroutine` holds for a promise.
template <class Promise>
inline constexpr bool finds_its_coroutine = alignof(Promise) <= alignof(std::max_align_t);

/// What a suspended task is waiting on: lives in its innermost frame, and knows how to give up.
class wait_node {
public:
    wait_node() = default;
    wait_node(const wait_node&) = delete;
    wait_node& operator=(const wait_node&) = delete;

    /// The waiting task is being cancelled. Either stops waiting, wakes the task with cancellation
    /// pending and returns null, or returns the task to cancel instead (whose end will wake ours).
    [[nodiscard]] virtual task_core* cancel_wait() noexcept = 0;
    /// As `cancel_wait`, for tasks that await each other in a circle: stops waiting in any case.
    virtual void give_up_wait() noexcept { static_cast<void>(cancel_wait()); }
    /// The id of the task that has what this one waits for; 0: none, or nobody knows. For call
    /// graphs.
    [[nodiscard]] virtual std::uint64_t held_by() const noexcept { return 0; }
    /// Where that task asked for it.
    [[nodiscard]] virtual await_site held_since() const noexcept { return {}; }

protected:
    ~wait_node() = default;
};

/// The type-dependent part of a task.
struct task_operations {
    const std::type_info& result_type;
    void (*destroy)(task_core* task) noexcept;
};

/// What few tasks need.
struct task_extras {
    std::string name;
    std::string cancel_message;
    std::exception_ptr interruption;  ///< thrown instead of the next `cancelled_error`
};

/// A task without its result type. Lies behind its `task_record` in a task block.
/// **Thread safety**: the loop's thread only, apart from the record.
class task_core : public completion {
public:
    task_core(loop_core& core, const task_operations& operations, frame_base& root) noexcept
        : loop(&core),
          operations_(&operations),
          top(&root) {
        core.add_reference();
    }

    [[nodiscard]] task_record& record() noexcept {
        return *(std::launder(reinterpret_cast<task_record*>(this)) - 1);
    }
    [[nodiscard]] const task_record& record() const noexcept {
        return *(std::launder(reinterpret_cast<const task_record*>(this)) - 1);
    }
    [[nodiscard]] std::uint64_t id() const noexcept {
        return record().id.load(std::memory_order_relaxed);
    }
    [[nodiscard]] const task_operations& operations() const noexcept { return *operations_; }
    [[nodiscard]] task_info info() const noexcept;
    [[nodiscard]] std::string_view given_name() const noexcept;
    void set_name(std::string_view name);
    [[nodiscard]] task_extras& extras();

    /// Puts the task to sleep on `node`; called from `await_suspend`.
    void begin_wait(wait_node& node, wait_kind kind, std::uint64_t object,
                    std::int64_t detail = 0) noexcept {
        auto& r = record();
        r.waits_for.store(kind, std::memory_order_release);
        r.wait_object.store(object, std::memory_order_release);
        r.wait_detail.store(detail, std::memory_order_release);
        r.state.store(task_state::waiting, std::memory_order_release);
        waiting_on = &node;
        if (must_cancel) [[unlikely]] {
            must_cancel = false;
            cancel_chain();
        }
    }

    /// Makes a waiting (or yielding) task ready. The result of its wait is already in place.
    void wake() {
        waiting_on = nullptr;
        auto& r = record();
        if (loop->step_began != nullptr) {
            r.woken_at.store(loop->stamp_of_now(), std::memory_order_release);
        }
        r.state.store(task_state::ready, std::memory_order_release);
        loop->ready.push(ready_entry(this));
        if (loop->is_told_of(hook::task_woken)) [[unlikely]] { loop->notify_woken(*this); }
    }

    /// Wakes a task whose wait was given up because it is being cancelled.
    void wake_cancelled() {
        must_cancel = true;
        wake();
    }

    /// The text of the last request to cancel; empty: none was given.
    [[nodiscard]] std::string_view cancel_message() const noexcept {
        return extras_ != nullptr ? std::string_view(extras_->cancel_message) : std::string_view();
    }
    /// The pending cancellation, delivered with this; null: a plain `cancelled_error`.
    [[nodiscard]] std::exception_ptr take_cancellation() noexcept;

    /// Every leaf awaiter calls this first when resumed.
    void throw_if_cancelled() {
        if (must_cancel) [[unlikely]] { throw_cancelled(); }
    }

    /// Counts in the record; blocks are `task_record::memory_word`'s. The loop's thread only.
    void count_memory(std::uint64_t added) noexcept {
        auto& word = record().memory;
        word.store(word.load(std::memory_order_relaxed) + added, std::memory_order_relaxed);
    }

    /// Asks the task to stop. False if it is done already.
    bool cancel(std::string_view message = {});
    /// Throws `why` where the task stands, instead of what it waits for, which goes on.
    void interrupt(std::exception_ptr why);

    void add_reference() noexcept { ++references_; }
    void release() noexcept {
        if (--references_ == 0) { destroy(); }
    }

    /// Destroys all frames, innermost first, without recursion.
    void destroy_frames() noexcept;

    // Requests to cancel are noted as changes of this, steps as looking at it.
    // Down to `top`: what each step touches, in the first cache line (the row yield_1000).
    bool must_cancel = false;      ///< cancellation is delivered at the next resumption
    bool woken_by_others = false;  ///< not by its own timer or yield; where a policy is set
    /// The pause sink's, for what it has found out about the task; 0: new, renamed, or a new sink.
    std::uint32_t pause_label = 0;
    loop_core* const loop;

private:
    const task_operations* operations_;

public:
    frame_base* top;  ///< the innermost frame; null when the root has finished
    wait_node* waiting_on = nullptr;
    task_core* previous = nullptr;  ///< links of the loop's list of unfinished tasks
    task_core* next = nullptr;
    std::unique_ptr<task_extras> extras_;
    context_reference context;  ///< empty: no variable was set when it was created, nor since

private:
    std::uint32_t references_ = 1;  // the loop's, until the task is done

public:
    std::uint32_t cancel_requests = 0;

private:
    void note_request(std::string_view message);
    void cancel_chain() noexcept;
    [[noreturn]] void throw_cancelled();
    void destroy() noexcept {
        if (lost_exception()) [[unlikely]] { report_lost_exception(); }
        record().id.store(0, std::memory_order_release);
        operations_->destroy(this);
    }
    void report_lost_exception() noexcept;

protected:
    ~task_core() {
        note_end_of_life(this, sizeof(*this));
        loop->release();
    }
};

/// A task with room for its result.
template <class T>
class typed_task : public task_core {
public:
    using task_core::task_core;
    [[no_unique_address]] result_slot<T> result;
};

/// A counted reference to a task.
template <class State>
class task_reference {
public:
    task_reference() = default;
    explicit task_reference(State* state) noexcept : state_(state) {
        if (state_ != nullptr) { state_->add_reference(); }
    }
    task_reference(const task_reference& other) noexcept : task_reference(other.state_) {}
    task_reference(task_reference&& other) noexcept
        : state_(std::exchange(other.state_, nullptr)) {}
    task_reference& operator=(task_reference other) noexcept {
        std::swap(state_, other.state_);
        return *this;
    }
    ~task_reference() {
        if (state_ != nullptr) { state_->release(); }
    }
    [[nodiscard]] State* get() const noexcept { return state_; }
    State* operator->() const noexcept { return state_; }
    State& operator*() const noexcept { return *state_; }
    explicit operator bool() const noexcept { return state_ != nullptr; }

private:
    State* state_ = nullptr;
};

enum class first_step : std::uint8_t { soon, now };

/// Fills the record of a new task, which nobody reads before it is published.
void open_record(task_record& record, const loop_core& core, await_site created_at) noexcept;
void publish_record(task_record& record, loop_core& core) noexcept;

/// Enters a new task into its loop: record, list, hooks, and the ready queue if its first step is
/// to come soon; otherwise the caller runs it.
void start_task(task_core& task, std::string_view name, await_site created_at,
                first_step when = first_step::soon);

}  // namespace coroscope::detail
