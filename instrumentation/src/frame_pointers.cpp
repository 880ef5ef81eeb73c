// SPDX-License-Identifier: Apache-2.0
#include "frame_pointers.hpp"

#include "code_map.hpp"

#include <algorithm>

namespace coroscope::instrumentation::detail {

std::vector<std::uintptr_t> frame_pointer_candidates(const stack_copy& copy,
                                                     std::uintptr_t function,
                                                     std::uintptr_t stack_pointer) {
    constexpr std::size_t most = 8;
    constexpr std::uintptr_t word = sizeof(std::uint64_t);
    constexpr std::uintptr_t largest_frame = std::uintptr_t{64} * 1024;
    std::vector<std::uintptr_t> confirmed;
    std::vector<std::uintptr_t> possible;
    const auto end = std::min(copy.end(), stack_pointer + largest_frame);
    std::uint64_t callers = 0;
    std::uint64_t return_address = 0;
    for (auto at = (stack_pointer + word - 1) / word * word; at < end; at += word) {
        if (!copy.read(at, callers) || !copy.read(at + word, return_address)) { break; }
        const auto call = call_before(return_address, function);
        if (call == call_target::confirmed && confirmed.size() < most) {
            confirmed.push_back(at);
        } else if (call == call_target::indirect && possible.size() < most && callers > at
                   && callers < copy.end()) {
            possible.push_back(at);
        }
    }
    confirmed.insert(confirmed.end(), possible.begin(), possible.end());
    confirmed.resize(std::min(confirmed.size(), most));
    return confirmed;
}

}  // namespace coroscope::instrumentation::detail
