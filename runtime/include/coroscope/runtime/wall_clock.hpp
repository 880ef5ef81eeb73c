// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/clock.hpp>

#include <chrono>

namespace coroscope {

/// The calendar's time, for dates that people read: `wall_clock::now()`.
///
///     log << std::chrono::system_clock::to_time_t(coroscope::wall_clock::now());
///
/// A `Clock` as `<chrono>` means it, of the same epoch as `std::chrono::system_clock`, and it shows
/// the same, unless the loop that runs on this thread has a clock of another mind: under a
/// `testkit::fake_clock` it follows virtual time. Somebody may set it, forward or back; sleeps and
/// timers go by the loop's own time and do not mind. **Thread safety**: any thread; where no loop
/// runs, in an executor's job for instance, it is the machine's.
struct wall_clock {
    using duration = coroscope::duration;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::sys_time<duration>;
    static constexpr bool is_steady = false;

    [[nodiscard]] static time_point now() noexcept;
};

}  // namespace coroscope
