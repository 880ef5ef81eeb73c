// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/coro.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace coroscope::testkit {

/// Finds the tasks that a part of a test leaves behind, where the check at the test's end comes too
/// late to say which part it was.
///
///     const task_watch watch;
///     { client c; co_await c.connect(); }
///     CO_CHECK((co_await watch.left()).empty());
///
/// **Thread safety**: the test's thread. **Lifetime**: the test's.
class task_watch {
public:
    /// Throws `std::logic_error` where no test runs.
    task_watch();

    /// Lets everything settle, at fixed time; then describes the tasks that were created since and
    /// have not ended, but for background tasks: what each waits on, where, and where it was
    /// created.
    [[nodiscard]] coro<std::vector<std::string>> left() const;

private:
    std::uint64_t newest_;  ///< id of the newest task when the watch began
};

}  // namespace coroscope::testkit
