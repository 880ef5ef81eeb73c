// SPDX-License-Identifier: Apache-2.0
#pragma once

// Nothing is hooked here: blocks are addresses that a memory profiler is told of.

#include <coroscope/instrumentation/detail/allocation_feed.hpp>

#include <cstddef>
#include <cstdint>

namespace told_memory {

namespace feed = coroscope::instrumentation::detail;

class named_hooks {
public:
    named_hooks() { feed::memory_hooks_name = "told by a test"; }
    named_hooks(const named_hooks&) = delete;
    named_hooks& operator=(const named_hooks&) = delete;
    ~named_hooks() { feed::memory_hooks_name = nullptr; }
};

inline const void* block(std::uintptr_t number) {
    return reinterpret_cast<const void*>(number * 16);  // NOLINT(performance-no-int-to-ptr)
}

inline void tell_of(std::uintptr_t number, std::size_t size) {
    feed::note_allocation(block(number), size, nullptr);
}

inline void tell_of_free(std::uintptr_t number) {
    feed::note_free(block(number));
}

}  // namespace told_memory
