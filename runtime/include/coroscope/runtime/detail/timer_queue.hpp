// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/clock.hpp>
#include <coroscope/runtime/detail/ready_queue.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace coroscope::detail {

/// A place in the timer queue, owned by whoever waits (a sleeper's frame, a timer handle).
struct timer_node {
    static constexpr std::uint32_t not_armed = ~std::uint32_t{0};

    ready_entry target;
    std::uint32_t slot = not_armed;

    [[nodiscard]] bool armed() const noexcept { return slot != not_armed; }
};

/// Timers ordered by (deadline, order of arming), so that equal deadlines fire in the order they
/// were set.
///
/// A four-ary heap of values. Its entries name nodes by slots of a table, and nodes do not know
/// their places: with a million timers each step of a sift would miss the cache to tell one. So a
/// cancelled timer empties its slot and leaves its entry, which goes when it comes to the top, or
/// when half of all entries are such. Where a good part of all timers is due at once, those are
/// picked out and sorted instead of taken from the top one by one.
class timer_queue {
public:
    [[nodiscard]] bool empty() const noexcept { return heap_.empty(); }
    [[nodiscard]] std::size_t size() const noexcept { return heap_.size() - cancelled_; }
    [[nodiscard]] time_point next_deadline() const noexcept { return heap_.front().deadline; }

    void arm(timer_node& node, time_point deadline);
    /// Takes a node out before its time; does nothing to one that is not armed.
    void disarm(timer_node& node) noexcept;
    /// Takes out the earliest node. The queue must not be empty.
    timer_node& pop() noexcept;
    /// Takes out all nodes with deadlines up to `now`, and calls `f(node)` for each, in order. `f`
    /// must not arm or disarm.
    template <class F>
    void pop_due(time_point now, F&& f) {
        constexpr std::size_t most_one_by_one = 64;
        for (std::size_t i = 0; !empty() && next_deadline() <= now; ++i) {
            if (i == most_one_by_one) {
                for (sorted_timers due(*this, now); auto* node = due.next();) {
                    f(*node);
                }
            } else {
                f(pop());
            }
        }
    }

    /// Calls `f(node)` for each armed timer, in no order.
    template <class F>
    void for_each(F&& f) const {
        for (const auto& e : heap_) {
            if (const auto* node = slots_[e.slot]; node != nullptr) { f(*node); }
        }
    }

    /// Deadlines of all armed timers, in no order.
    [[nodiscard]] std::vector<time_point> deadlines() const;

private:
    struct entry {
        time_point deadline;
        std::uint64_t sequence;
        std::uint32_t slot;
        [[nodiscard]] bool before(const entry& other) const noexcept {
            return deadline != other.deadline ? deadline < other.deadline
                                              : sequence < other.sequence;
        }
    };

    [[nodiscard]] std::uint32_t new_slot(timer_node& node);
    /// Frees a slot; null if its timer was cancelled.
    timer_node* vacate(std::uint32_t slot) noexcept;
    void sift_up(std::size_t index, entry e) noexcept;
    void sift_down(std::size_t index, entry e) noexcept;
    void remove_top() noexcept;
    void drop_cancelled_tops() noexcept;
    void drop_all_cancelled() noexcept;
    void make_heap() noexcept;
    [[nodiscard]] bool many_are_due(time_point now) const;

    /// The due timers picked out, if they are many; puts back what was not taken.
    class sorted_timers {
    public:
        sorted_timers(timer_queue& of, time_point now) noexcept;
        sorted_timers(const sorted_timers&) = delete;
        sorted_timers& operator=(const sorted_timers&) = delete;
        ~sorted_timers();
        [[nodiscard]] timer_node* next() noexcept;

    private:
        void pick(time_point now);
        void prefetch_ahead() const noexcept;
        timer_queue& queue_;
        std::vector<entry> due_;
        std::size_t taken_ = 0;
    };

    std::vector<entry> heap_;  ///< its top is never a cancelled one
    std::vector<timer_node*> slots_;
    std::vector<std::uint32_t> free_slots_;
    std::size_t cancelled_ = 0;  ///< entries whose slot is empty
    std::uint64_t next_sequence_ = 0;
};

}  // namespace coroscope::detail
