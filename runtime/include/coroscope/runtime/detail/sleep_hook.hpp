// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/clock.hpp>

namespace coroscope::detail {

class task_core;

/// Is asked about every sleep that begins on a loop, where there is one: for the test kit. See
/// `loop_core::sleeps`.
class sleep_hook {
public:
    /// True: the sleep ends at once, behind what is ready.
    [[nodiscard]] virtual bool skips(const task_core& sleeper, time_point deadline,
                                     time_point now) = 0;

protected:
    ~sleep_hook() = default;
};

}  // namespace coroscope::detail
