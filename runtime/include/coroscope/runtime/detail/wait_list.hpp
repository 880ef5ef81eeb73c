// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/detail/access_sink.hpp>
#include <coroscope/runtime/detail/task_core.hpp>
#include <coroscope/runtime/observer.hpp>
#include <coroscope/runtime/task_table.hpp>

#include <cstddef>
#include <cstdint>

namespace coroscope::detail {

class wait_list;

/// One task's place in a `wait_list`: the base of the awaiters of locks, events and queues.
///
/// A waiter that is chosen is woken, and what it waited for is its own from then on (handed over,
/// so that nobody can overtake it). If its task is cancelled after that and before it runs, or is
/// destroyed, `pass_on` gives to others what was handed over. No wake-up is lost that way.
/// A class derived from it calls `settle` or `finish` in `await_resume` and `abandon` in its
/// destructor.
class list_waiter : public wait_node {
public:
    [[nodiscard]] task_core* cancel_wait() noexcept override;
    [[nodiscard]] task_core& task() const noexcept { return *task_; }

protected:
    list_waiter() = default;
    virtual ~list_waiter() {
        if (list_ != nullptr) [[unlikely]] { leave(); }
    }

    /// Puts the task to sleep at the list's end; called from `await_suspend`. If the task is to be
    /// cancelled, `cancel_wait` is called at once. Listings show `where`, the user's line, also if
    /// the `co_await` is one of the library's own, in `wait_for`.
    void enter(wait_list& list, frame_base& frame, await_site where);
    /// For `await_resume`: throws if the task was cancelled, having passed on what it was given.
    void finish() {
        if (task_ == nullptr) { return; }  // did not wait
        const bool was_given = settle();
        if (task_->must_cancel || !chosen_) [[unlikely]] { throw_cancelled(was_given); }
    }
    /// Leaves the list of the chosen. True if it was chosen and the object still exists.
    bool settle() noexcept {
        if (list_ == nullptr) { return false; }
        leave();
        return chosen_;
    }
    /// Throws the pending cancellation, or a plain one if that was taken back meanwhile.
    [[noreturn]] void throw_cancelled(bool was_given);
    /// For destructors: passes on what a task that never ran again was given.
    void abandon() noexcept {
        if (list_ != nullptr && chosen_) [[unlikely]] {
            leave();
            pass_on();
        }
    }
    /// Whether `enter` was called.
    [[nodiscard]] bool waited() const noexcept { return task_ != nullptr; }
    [[nodiscard]] bool chosen() const noexcept { return chosen_; }
    /// The list it waits in, or that it was chosen from; null: neither.
    [[nodiscard]] const wait_list* list() const noexcept { return list_; }

private:
    friend class wait_list;
    /// Gives to the next one what this one was given.
    virtual void pass_on() noexcept {}
    /// It is out of this list without having been chosen, and its task has to be woken to throw.
    virtual void stop_waiting(const wait_list&) noexcept { task_->wake_cancelled(); }
    /// Whether a chosen one may go on although the object was destroyed before it ran.
    [[nodiscard]] virtual bool outlives_object() const noexcept { return false; }
    void leave() noexcept;

    wait_list* list_ = nullptr;
    list_waiter* previous_ = nullptr;
    list_waiter* next_ = nullptr;
    task_core* task_ = nullptr;
    bool chosen_ = false;
};

/// The tasks that wait for one object, first come first served. All of one loop: the first waiter's
/// (others get an `invalid_state_error`) until the list is empty again. Objects note their uses by
/// the address of their list, of the first if they have several.
/// **Thread safety**: the loop's thread only. **Lifetime**: should outlive its waiters; those left
/// get an `invalid_state_error` that says so.
class wait_list {
public:
    /// `waits_for` and `wakes` say to observers and task listings what the waiting is about.
    constexpr wait_list(wait_kind waits_for, edge_kind wakes) noexcept
        : kind_(waits_for),
          edge_(wakes) {}
    wait_list(const wait_list&) = delete;
    wait_list& operator=(const wait_list&) = delete;
    ~wait_list() {
        if (access_listener != nullptr) [[unlikely]] { note_end(); }
        if (waiting_.first != nullptr || chosen_.first != nullptr) [[unlikely]] { dissolve(); }
    }

    [[nodiscard]] bool empty() const noexcept { return waiting_.first == nullptr; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] list_waiter* first() const noexcept { return waiting_.first; }
    /// Chooses the first waiter and wakes its task; null if there is none.
    list_waiter* wake_first() noexcept;
    /// Moves a waiter to another list's end without waking it.
    void move_to(wait_list& other, list_waiter& waiter) noexcept;
    /// Puts one that is in no list, and whose task sleeps, at the end.
    void add_again(list_waiter& waiter) noexcept;
    /// Calls `f(waiter)` for those that wait, in their order.
    template <class F>
    void for_each_waiting(F f) const {
        for (const auto* waiter = waiting_.first; waiter != nullptr; waiter = waiter->next_) {
            f(*waiter);
        }
    }
    /// Calls `f(waiter)` for those that were chosen and have not run since.
    template <class F>
    void for_each_chosen(F f) {
        for (auto* waiter = chosen_.first; waiter != nullptr; waiter = waiter->next_) {
            f(*waiter);
        }
    }
    /// Tells observers that the task that runs now is what the waiter waited for.
    void note_edge(const list_waiter& waiter) const noexcept;
    /// In debug mode throws unless this is the thread of the tasks that wait.
    void expect_thread(const char* what) const {
        const auto* waiter = waiting_.first;
        if (waiter != nullptr && waiter->task_->loop->debug) [[unlikely]] {
            check_thread(*waiter->task_->loop, what);
        }
    }

    /// The object's id in listings; given by the loop where it is first needed. 0: never was.
    [[nodiscard]] std::uint64_t id() const noexcept { return id_; }
    void identify(loop_core& core) noexcept {
        if (id_ == 0) [[unlikely]] { id_ = core.next_object_id++; }
    }
    /// For objects with several lists.
    void share_id(const wait_list& other) noexcept { id_ = other.id_; }

private:
    friend class list_waiter;
    struct chain {
        list_waiter* first = nullptr;
        list_waiter* last = nullptr;
        void add(list_waiter& waiter) noexcept;
        void remove(list_waiter& waiter) noexcept;
    };
    void add(list_waiter& waiter) noexcept;
    void remove(list_waiter& waiter) noexcept;
    void dissolve() noexcept;
    void note_end() const noexcept;
    [[nodiscard]] std::exception_ptr destroyed_under(const list_waiter& waiter) const;

    chain waiting_;
    chain chosen_;
    std::size_t size_ = 0;
    std::uint64_t id_ = 0;
    wait_kind kind_;
    edge_kind edge_;
};

/// What `co_await` makes of a call such as `m.lock()`: nothing begins before it is awaited. Also
/// taken by `wait_for`.
template <class Awaiter, class Object>
class [[nodiscard("nothing is waited for until this is awaited")]] wait_request {
public:
    using coroscope_result = typename Awaiter::result;

    wait_request(Object & object, await_site where) noexcept : object_(&object), where_(where) {}
    [[nodiscard]] Awaiter coroscope_awaiter() const noexcept {
        return Awaiter(*object_, where_);
    }

private:
    Object* object_;
    await_site where_;
};

/// What awaiting an `A` gives, for `wait_for` and its like.
template <class A>
struct awaited;
template <class A>
    requires requires {
        typename A::coroscope_result;
    }
struct awaited<A> {
    using type = typename A::coroscope_result;
};

/// For destructors of guards: tells the exception handler of the loop that runs here of misuse that
/// cannot be thrown. Where none runs, a loop is being closed, and guards go with their tasks, also
/// those of tasks that wait for a condition and so hold nothing.
void report_misuse(std::exception_ptr misuse, await_site where) noexcept;

/// A lock, taken at `where`, was given back and nobody waited for it.
inline void remark_passage(const char* what, std::uint64_t object, await_site where) noexcept {
    const auto* core = running_loop;
    if (core == nullptr || !core->wants(hook::remark)) [[likely]] { return; }
    remark made;
    made.kind = remark_kind::passed_through;
    made.what = what;
    made.object_id = object;
    made.site = where;
    make_remark(made);
}

/// Who holds a lock. A callback, or code outside of a run, is task 0.
struct lock_owner {
    std::uint64_t task = 0;
    std::uint32_t loop = 0;

    /// The task that runs on this thread now.
    [[nodiscard]] static lock_owner current() noexcept {
        const auto* core = running_loop;
        return core != nullptr && core->current != nullptr ? of(*core->current) : lock_owner();
    }
    [[nodiscard]] static lock_owner of(const task_core& task) noexcept {
        return {task.id(), task.loop->id};
    }
    friend bool operator==(const lock_owner&, const lock_owner&) = default;
};

/// `task 3 (name)`, for messages; `no task` outside of one.
[[nodiscard]] std::string describe_current_task();

}  // namespace coroscope::detail
