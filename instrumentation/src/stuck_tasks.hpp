// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/detail/loop_core.hpp>
#include <coroscope/runtime/observer.hpp>

#include <cstddef>
#include <functional>
#include <string>

namespace coroscope::instrumentation {

struct stuck_task {
    task_info task;
    await_site waits_at{};
    std::string why;  ///< what it waits for, and why that cannot come
};

/// Finds tasks that wait for what nothing alive can bring about:
///
/// - a future whose handles all lie in the frame that awaits it,
/// - a mutex whose holder has ended without unlocking it.
class stuck_tasks {
public:
    using listener = std::function<void(const stuck_task&)>;

    /// `steps` more were made. Looks at all tasks where these are not many more than the steps
    /// since the last time, so that the looks cost some nanoseconds a step.
    void look(const coroscope::detail::loop_core& core, std::size_t steps, const listener& tell);

private:
    std::size_t steps_ = 0;
};

}  // namespace coroscope::instrumentation
