// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/detail/task_core.hpp>
#include <coroscope/runtime/observer.hpp>
#include <coroscope/runtime/task_table.hpp>

#include <cstddef>
#include <cstdint>

namespace coroscope::detail {

class wait_list;

/// One task's place in a `wait_list`: the base of the awaiters of locks, events and queues.
///
/// A waiter that is chosen is woken and out of the list; what it waited for is its own from then on
/// (handed over, so that nobody can overtake it). If its task is cancelled after that and before it
/// runs, `await_resume` must pass on what was handed over before it throws; so must a destructor
/// that finds `chosen()` without `await_resume` having run. No wake-up is lost that way.
class list_waiter : public wait_node {
public:
    [[nodiscard]] task_core* cancel_wait() noexcept override;
    /// Taken out of the list by `wait_list::wake_first`, not by a cancellation.
    [[nodiscard]] bool chosen() const noexcept { return chosen_; }
    [[nodiscard]] task_core& task() const noexcept { return *task_; }

protected:
    list_waiter() = default;
    virtual ~list_waiter();

    /// Puts the task to sleep at the list's end; called from `await_suspend`. If the task is to be
    /// cancelled, it is woken at once and is not in the list.
    void enter(wait_list& list, frame_base& frame);

private:
    friend class wait_list;
    wait_list* list_ = nullptr;  ///< null: in none
    list_waiter* previous_ = nullptr;
    list_waiter* next_ = nullptr;
    task_core* task_ = nullptr;
    bool chosen_ = false;
};

/// The tasks that wait for one object, first come first served. All of one loop: the first waiter's
/// (others get an `invalid_state_error`) until the list is empty again.
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
    ~wait_list();

    [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] list_waiter* first() const noexcept { return first_; }
    /// Chooses the first waiter and wakes its task; null if there is none.
    list_waiter* wake_first() noexcept;
    /// Chooses this one, wherever it stands.
    void wake(list_waiter& waiter) noexcept;
    /// Moves a waiter to another list's end without waking it.
    void move_to(wait_list& other, list_waiter& waiter) noexcept;

    /// The object's id in listings; given by the loop of the first waiter. 0: nobody ever waited.
    [[nodiscard]] std::uint64_t id() const noexcept { return id_; }

private:
    friend class list_waiter;
    void add(list_waiter& waiter) noexcept;
    void remove(list_waiter& waiter) noexcept;
    void tell_wait(const list_waiter& waiter) const noexcept;

    list_waiter* first_ = nullptr;
    list_waiter* last_ = nullptr;
    std::size_t size_ = 0;
    std::uint64_t id_ = 0;
    wait_kind kind_;
    edge_kind edge_;
};

}  // namespace coroscope::detail
