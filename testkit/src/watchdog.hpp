// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/clock.hpp>
#include <coroscope/runtime/detail/callback.hpp>
#include <coroscope/runtime/loop.hpp>

#include <cstdint>
#include <functional>
#include <string>

namespace coroscope::testkit::detail {

/// Exit status of a process that a test did not give back.
inline constexpr int status_of_timeout = 124;

/// Real time for one test. When it has passed, the loop is asked to call `on_limit`; a thread that
/// does not come back within `grace_after_limit` takes the process with it: the tasks and the
/// native stack of the thread that made the guard are written to standard error, and the process
/// ends with `status_of_timeout`.
///
/// One thread watches all tests of the process; it begins with the first guard.
class time_guard {
public:
    /// A limit of zero: none. `description` says which test it is.
    time_guard(duration limit, const loop& watched, std::string description,
               std::function<void()> on_limit);
    time_guard(const time_guard&) = delete;
    time_guard& operator=(const time_guard&) = delete;
    ~time_guard();

    /// The limit begins anew.
    void restart();

private:
    std::uint64_t id_ = 0;
};

inline constexpr duration grace_after_limit = std::chrono::seconds(2);

/// The limit that counts: that of the environment, else `option`, else ten seconds. Throws
/// `std::invalid_argument` for an environment variable that is no number of seconds.
[[nodiscard]] duration effective_time_limit(const std::optional<duration>& option);

}  // namespace coroscope::testkit::detail
