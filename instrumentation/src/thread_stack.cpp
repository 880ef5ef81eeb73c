// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/thread_stack.hpp>

#include <coroscope/instrumentation/stall_watchdog.hpp>

#include "thread_capture.hpp"

#include <csignal>

namespace coroscope::instrumentation {

observable_thread observable_thread::current() noexcept {
    const auto self = detail::thread_identity::of_this();
    observable_thread made;
    made.id_ = self.id;
    made.cpu_clock_ = self.cpu_clock;
    made.stack_ = {self.stack.low, self.stack.high};
    return made;
}

thread_stack observable_thread::take_stack(duration patience) const {
    const stall_watchdog_options as_usual;
    detail::capture_settings settings;
    settings.signal_number = SIGRTMIN + as_usual.signal_offset;
    settings.patience = patience;
    settings.most_bytes = as_usual.most_stack_bytes;
    detail::thread_capture capture(settings);
    detail::thread_identity thread;
    thread.id = id_;
    thread.cpu_clock = cpu_clock_;
    thread.stack = {stack_[0], stack_[1]};
    const auto seen = capture.take(thread);
    thread_stack result;
    result.trouble = seen.trouble;
    if (seen.is_taken) { result.stack = capture.stack(); }
    return result;
}

}  // namespace coroscope::instrumentation
