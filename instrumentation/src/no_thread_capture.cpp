// SPDX-License-Identifier: Apache-2.0
// In the place of thread_capture.cpp where stacks are left out of the build.
#include "thread_capture.hpp"

namespace coroscope::instrumentation::detail {

class thread_capture::implementation {};

thread_capture::thread_capture(const capture_settings&) {}
thread_capture::~thread_capture() = default;

capture thread_capture::take(const thread_identity& thread) {
    capture made;
    made.place = place_of(thread.id);
    made.trouble = "this build of coroscope takes no stacks (COROSCOPE_BUILD_STACKS was off)";
    return made;
}

report::stack thread_capture::stack() {
    return {};
}

report::stack name_return_addresses(std::span<void* const>) {
    return {};
}

bool has_native_stacks() noexcept {
    return false;
}

}  // namespace coroscope::instrumentation::detail
