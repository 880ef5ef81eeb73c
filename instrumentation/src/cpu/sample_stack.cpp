// SPDX-License-Identifier: Apache-2.0
#include "sample_stack.hpp"

#include "landing_places.hpp"

#include <cstdint>

#include <unwind.h>

namespace coroscope::instrumentation::detail {
namespace {

/// Cuts off what lies behind the running coroutine; false if it is not there.
bool cut_behind(unwound_stack& stack, std::uintptr_t body) {
    std::uintptr_t before_return = 0;  // the first address is no return address
    for (std::size_t i = 0; body != 0 && i < stack.addresses.size(); ++i) {
        // NOLINTNEXTLINE(performance-no-int-to-ptr)
        auto* const inside = reinterpret_cast<void*>(stack.addresses[i] - before_return);
        if (reinterpret_cast<std::uintptr_t>(::_Unwind_FindEnclosingFunction(inside)) == body) {
            stack.addresses.resize(i + 1);
            stack.truncated = false;
            return true;
        }
        before_return = 1;
    }
    return false;
}

}  // namespace

sample_unwinder::sample_unwinder() : landings_(std::make_unique<landing_places>()) {}
sample_unwinder::~sample_unwinder() = default;

unwound_stack sample_unwinder::native_stack(const cpu_sample& sample, bool& has_body) {
    auto stack = unwind(sample.stack);
    // Frames may be missing where an exception arrives; the sample counts all the same.
    if (landings_->cut(stack)) { stack.truncated = true; }
    has_body = cut_behind(stack, sample.task.body);
    return stack;
}

}  // namespace coroscope::instrumentation::detail
