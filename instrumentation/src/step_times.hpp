// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "thread_state.hpp"

#include <coroscope/report/step_cause.hpp>

#include <chrono>

namespace coroscope::instrumentation::detail {

/// What a thread used in a step. The watchdog looks at threads from time to time: of the part from
/// the step's beginning to the first look in it, it knows what was used between that look and the
/// one before, which may be more.
struct step_times {
    std::chrono::nanoseconds wall{0};              ///< of the step so far
    std::chrono::nanoseconds until_first_look{0};  ///< the part of it before
    thread_usage before;                           ///< at the last look before the step
    thread_usage first;                            ///< at the first look in it
    thread_usage now;
    std::chrono::nanoseconds overslept{0};  ///< the watchdog did not run either: nobody did
    thread_place place;                     ///< where the thread was last seen in the step
};

/// Where the step's time went. What is neither processor time nor waiting for one is waiting in the
/// kernel, as long as the thread had to wait for something at all; what of it the watchdog itself
/// missed is the whole process's, stopped.
[[nodiscard]] report::step_cause judge(const step_times& times);

}  // namespace coroscope::instrumentation::detail
