// SPDX-License-Identifier: Apache-2.0
#include "code_frames.hpp"

#include "symbolizer.hpp"

#include <algorithm>
#include <cstdint>
#include <string>

namespace coroscope::instrumentation::detail {

report::stack_frame users_frame_at(const void* code) {
    unwound_stack one;
    one.addresses.push_back(reinterpret_cast<std::uintptr_t>(code));
    const auto named = symbolizer::shared().name(one);
    const auto users = std::ranges::find_if(named.frames, [](const report::stack_frame& each) {
        return !each.file.starts_with("/usr/")
               && each.file.find("/include/c++/") == std::string::npos;
    });
    if (users != named.frames.end()) { return *users; }
    return named.frames.empty() ? report::stack_frame() : named.frames.back();
}

}  // namespace coroscope::instrumentation::detail
