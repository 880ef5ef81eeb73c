// SPDX-License-Identifier: Apache-2.0
// What g++ and clang call with -fsanitize=thread before each read and write, and where functions
// begin and end. Names and meaning are the compilers'.
#include "freed_blocks.hpp"
#include "known_blocks.hpp"
#include "memory_life.hpp"
#include "seen_access.hpp"

#include <cstddef>

using coroscope::detail::access_kind;
using coroscope::instrumentation::detail::access_shadow;
using coroscope::instrumentation::detail::find_memory_block;
using coroscope::instrumentation::detail::freed_blocks;
using coroscope::instrumentation::detail::give_back_freed_memory;
using coroscope::instrumentation::detail::known_blocks;
using coroscope::instrumentation::detail::see;
using coroscope::instrumentation::detail::see_range;
using coroscope::instrumentation::detail::was_memory_freed;

[[nodiscard]] static bool was_freed(const void* address) noexcept {
    return access_shadow::is_freed(reinterpret_cast<std::uintptr_t>(address));
}

// A volatile variable synchronises nothing: its accesses are as any other's.
#define COROSCOPE_SEEN(name, bytes, kind)                      \
    void name(const void* data) {                              \
        see<bytes, access_kind::kind>(data, COROSCOPE_CALLER); \
    }
#define COROSCOPE_SEEN_RANGE(name, bytes, kind)                      \
    void name(const void* data) {                                    \
        see_range(data, bytes, access_kind::kind, COROSCOPE_CALLER); \
    }
#define COROSCOPE_SEEN_BOTH_IN_CELL(name, bytes)                \
    void name(const void* data) {                               \
        see<bytes, access_kind::read>(data, COROSCOPE_CALLER);  \
        see<bytes, access_kind::write>(data, COROSCOPE_CALLER); \
    }
#define COROSCOPE_SEEN_BOTH(name, bytes)                              \
    void name(const void* data) {                                     \
        see_range(data, bytes, access_kind::read, COROSCOPE_CALLER);  \
        see_range(data, bytes, access_kind::write, COROSCOPE_CALLER); \
    }
#define COROSCOPE_SEEN_IN_CELL(bytes)                          \
    COROSCOPE_SEEN(__tsan_read##bytes, bytes, read)            \
    COROSCOPE_SEEN(__tsan_write##bytes, bytes, write)          \
    COROSCOPE_SEEN(__tsan_volatile_read##bytes, bytes, read)   \
    COROSCOPE_SEEN(__tsan_volatile_write##bytes, bytes, write) \
    COROSCOPE_SEEN_BOTH_IN_CELL(__tsan_read_write##bytes, bytes)
#define COROSCOPE_SEEN_ANYWHERE(prefix, bytes)                        \
    COROSCOPE_SEEN_RANGE(__tsan_##prefix##read##bytes, bytes, read)   \
    COROSCOPE_SEEN_RANGE(__tsan_##prefix##write##bytes, bytes, write) \
    COROSCOPE_SEEN_BOTH(__tsan_##prefix##read_write##bytes, bytes)
#define COROSCOPE_SEEN_UNALIGNED(bytes)                                      \
    COROSCOPE_SEEN_ANYWHERE(unaligned_, bytes)                               \
    COROSCOPE_SEEN_RANGE(__tsan_unaligned_volatile_read##bytes, bytes, read) \
    COROSCOPE_SEEN_RANGE(__tsan_unaligned_volatile_write##bytes, bytes, write)

extern "C" {

/// Called by each source file before its constructors run, and so before all else here.
void __tsan_init() {
    access_shadow::reserve();
    coroscope::detail::block_listener = &coroscope::instrumentation::detail::lives_of_blocks;
    find_memory_block = &known_blocks::find;
    was_memory_freed = &was_freed;
    give_back_freed_memory = &freed_blocks::give_back_all;
}

// Callers are found by their frames, when somebody is told: to keep account of them at each call
// would cost more.
void __tsan_func_entry(void* /*caller*/) {}
void __tsan_func_exit() {}

COROSCOPE_SEEN_IN_CELL(1)
COROSCOPE_SEEN_IN_CELL(2)
COROSCOPE_SEEN_IN_CELL(4)
COROSCOPE_SEEN_IN_CELL(8)
COROSCOPE_SEEN_ANYWHERE(, 16)
COROSCOPE_SEEN_ANYWHERE(volatile_, 16)
COROSCOPE_SEEN_UNALIGNED(2)
COROSCOPE_SEEN_UNALIGNED(4)
COROSCOPE_SEEN_UNALIGNED(8)
COROSCOPE_SEEN_UNALIGNED(16)

void __tsan_read_range(const void* data, std::size_t bytes) {
    see_range(data, bytes, access_kind::read, COROSCOPE_CALLER);
}
void __tsan_write_range(const void* data, std::size_t bytes) {
    see_range(data, bytes, access_kind::write, COROSCOPE_CALLER);
}

void __tsan_vptr_read(const void* data) {
    see<sizeof(void*), access_kind::read>(data, COROSCOPE_CALLER);
}
/// Constructors and destructors set what is set already: that changes nothing for anybody.
void __tsan_vptr_update(void** place, const void* value) {
    if (*place == value) {
        see<sizeof(void*), access_kind::read>(place, COROSCOPE_CALLER);
    } else {
        see<sizeof(void*), access_kind::write>(place, COROSCOPE_CALLER);
    }
}

void __tsan_ignore_thread_begin() {}
void __tsan_ignore_thread_end() {}

}  // extern "C"
