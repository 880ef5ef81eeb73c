// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/clock.hpp>

#include <cstdint>
#include <stdexcept>

namespace coroscope::testkit {

/// What a fake clock does while Asio operations (sockets, pipes, signals) are in flight and only
/// virtual time could move. Executor jobs always hold virtual time; this is about I/O.
///
/// **Thread safety**: a value.
class io_policy {
public:
    enum class kind : std::uint8_t {
        hold,    ///< wait in real time up to a cushion, then name what held it and go on
        step,    ///< virtual time follows real time in steps
        ignore,  ///< virtual time moves at once
        forbid,  ///< an error that names the operations
    };

    /// Waits up to `cushion` of real time for something to come in; then notes which tasks wait
    /// for I/O and moves virtual time, and does not wait again for the same operations.
    [[nodiscard]] static constexpr io_policy hold(
        duration cushion = std::chrono::milliseconds(100)) {
        return io_policy(kind::hold, cushion);
    }
    /// While only I/O or executor jobs are left, waits for `length` of real time, then moves
    /// virtual time by as much. Throws `std::invalid_argument` unless `length` is positive.
    [[nodiscard]] static constexpr io_policy step(duration length) {
        if (length <= duration::zero()) {
            throw std::invalid_argument("io_policy::step needs a positive length of time");
        }
        return io_policy(kind::step, length);
    }
    [[nodiscard]] static constexpr io_policy ignore() { return io_policy(kind::ignore, {}); }
    [[nodiscard]] static constexpr io_policy forbid() { return io_policy(kind::forbid, {}); }

    [[nodiscard]] constexpr kind what() const noexcept { return what_; }
    /// The cushion, or the length of a step, in real time.
    [[nodiscard]] constexpr duration length() const noexcept { return length_; }
    friend constexpr bool operator==(const io_policy&, const io_policy&) = default;

private:
    constexpr io_policy(kind what, duration length) : what_(what), length_(length) {}

    kind what_;
    duration length_;
};

}  // namespace coroscope::testkit
