// SPDX-License-Identifier: Apache-2.0
// In the place of symbolizer.cpp where stacks are left out of the build: only the names that the
// dynamic linker knows.
#include "symbolizer.hpp"

#include <dlfcn.h>

namespace coroscope::instrumentation::detail {

symbolizer& symbolizer::shared() noexcept {
    static constinit symbolizer only;
    return only;
}

report::stack symbolizer::name(const unwound_stack& stack) {
    report::stack named;
    named.truncated = stack.truncated;
    bool is_return = false;
    for (const auto address : stack.addresses) {
        auto& frame = named.frames.emplace_back();
        frame.address = address;
        const auto inside = is_return ? address - 1 : address;
        Dl_info found{};
        // NOLINTNEXTLINE(performance-no-int-to-ptr)
        if (::dladdr(reinterpret_cast<void*>(inside), &found) != 0) {
            if (found.dli_fname != nullptr) { frame.module = found.dli_fname; }
            if (found.dli_sname != nullptr) { frame.function = readable_function(found.dli_sname); }
        }
        is_return = true;
    }
    return named;
}

std::string symbolizer::name_data(std::uintptr_t) {
    return {};
}

std::string symbolizer::name_frame_member(std::uintptr_t, std::uint64_t) {
    return {};
}

}  // namespace coroscope::instrumentation::detail
