// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "race_findings.hpp"
#include "thread_records.hpp"

#include <vector>

namespace coroscope::instrumentation::detail {

/// Two accesses that nothing orders, and all that is known of what their two units did to the same
/// variable, in its order.
struct thread_race {
    thread_pointer earlier;
    thread_pointer later;
    std::vector<thread_pointer> all;
    variable_label variable;
    /// In this very run nothing ordered them: the compiler told of every access and of what orders
    /// threads. That is undefined behaviour, whatever came of it.
    bool has_happened = false;
};

[[nodiscard]] report::finding describe_thread_race(const thread_race& race);

}  // namespace coroscope::instrumentation::detail
