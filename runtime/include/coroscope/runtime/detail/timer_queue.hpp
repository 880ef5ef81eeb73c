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
    static constexpr std::size_t not_armed = ~std::size_t{0};

    ready_entry target;
    std::size_t index = not_armed;

    [[nodiscard]] bool armed() const noexcept { return index != not_armed; }
};

/// Timers ordered by (deadline, order of arming), so that equal deadlines fire in the order they
/// were set. A four-ary heap whose nodes know their places, so that cancelling is O(log n).
class timer_queue {
public:
    [[nodiscard]] bool empty() const noexcept { return heap_.empty(); }
    [[nodiscard]] std::size_t size() const noexcept { return heap_.size(); }
    [[nodiscard]] time_point next_deadline() const noexcept { return heap_.front().deadline; }

    void arm(timer_node& node, time_point deadline);
    /// Takes a node out before its time; does nothing to one that is not armed.
    void disarm(timer_node& node) noexcept;
    /// Takes out the earliest node. The queue must not be empty.
    timer_node& pop() noexcept;

    /// Deadlines of all armed timers, in no order.
    [[nodiscard]] std::vector<time_point> deadlines() const;

private:
    struct entry {
        time_point deadline;
        std::uint64_t sequence;
        timer_node* node;
        [[nodiscard]] bool before(const entry& other) const noexcept {
            return deadline != other.deadline ? deadline < other.deadline
                                              : sequence < other.sequence;
        }
    };

    void place(std::size_t index, const entry& e) noexcept;
    void sift_up(std::size_t index, const entry& e) noexcept;
    void sift_down(std::size_t index, const entry& e) noexcept;
    void remove_at(std::size_t index) noexcept;

    std::vector<entry> heap_;
    std::uint64_t next_sequence_ = 0;
};

}  // namespace coroscope::detail
