// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/event.hpp>

#include <cstddef>
#include <map>
#include <utility>

namespace coroscope::testkit {

/// Forces an order upon tasks: turn 0, then turn 1, and so on, whoever takes them.
///
///     sequencer order;
///     coro<> reader() {
///         { const auto turn = co_await order.turn(0); co_await open(); }
///         { const auto turn = co_await order.turn(2); co_await read(); }
///     }
///     coro<> writer() {
///         { const auto turn = co_await order.turn(1); co_await write(); }
///     }
///
/// A turn lasts as long as its object. If a task is cancelled while it waits for its turn, the
/// order is broken, and all that wait, now or later, get an `invalid_state_error`. A turn that
/// nobody takes shows as a deadlock of those that wait. As trio.testing's `Sequencer`.
/// **Thread safety**: the tasks of one loop. **Lifetime**: outlives its turns and who waits.
class sequencer {
public:
    /// The right to go on; the next one's begins when it is destroyed.
    class [[nodiscard("the turn ends with this object")]] held_turn {
    public:
        held_turn(held_turn && other) noexcept : of_(std::exchange(other.of_, nullptr)) {}
        held_turn& operator=(held_turn&&) = delete;
        ~held_turn() {
            if (of_ != nullptr) { of_->end_turn(); }
        }

    private:
        friend class sequencer;
        explicit held_turn(sequencer & of) noexcept : of_(&of) {}
        sequencer* of_;
    };

    sequencer() = default;
    sequencer(const sequencer&) = delete;
    sequencer& operator=(const sequencer&) = delete;
    ~sequencer() = default;

    /// Waits until all turns before this one have ended. Throws `std::logic_error` for a turn that
    /// somebody has taken already.
    [[nodiscard]] coro<held_turn> turn(std::size_t number);

private:
    void end_turn() noexcept;
    void expect_unbroken(std::size_t number) const;

    std::map<std::size_t, event> waiting_;
    std::size_t next_ = 0;
    bool is_taken_ = false;  ///< the turn `next_` goes on
    bool is_broken_ = false;
};

}  // namespace coroscope::testkit
