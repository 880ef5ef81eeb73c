// SPDX-License-Identifier: Apache-2.0
// Allocation and release, wherever the program calls them: a block that is used again is something
// else. The linker puts these in their place (--wrap, see coroscope_detect_races), and they call
// what the program has: malloc of the C library or of tcmalloc, operator new of its own. Calls from
// within shared libraries are not seen; their blocks are, when somebody here gets them.
#include "freed_blocks.hpp"
#include "known_blocks.hpp"
#include "memory_life.hpp"
#include "seen_access.hpp"

#include <coroscope/instrumentation/detail/annotation.hpp>

#include <coroscope/runtime/detail/access_sink.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>

#include <malloc.h>

namespace {

using coroscope::instrumentation::detail::access_shadow;
using coroscope::instrumentation::detail::annotation_listener;
using coroscope::instrumentation::detail::end_life;
using coroscope::instrumentation::detail::freed_blocks;
using coroscope::instrumentation::detail::known_blocks;
using coroscope::instrumentation::detail::this_stretch;
using coroscope::instrumentation::detail::user_of_allocation;

[[nodiscard]] bool is_told() noexcept {
    return coroscope::detail::single_accesses_are_told();
}

[[gnu::always_inline]] inline void* begin_life(void* block, std::size_t bytes) noexcept {
    if (is_told() && block != nullptr) [[unlikely]] {
        end_life(block, bytes);
        known_blocks::add({block, bytes, user_of_allocation(__builtin_return_address(0)), false});
    }
    return block;
}

/// It is kept already, and stays so.
[[nodiscard]] bool was_freed_before(const void* block, const void* caller) noexcept {
    if (annotation_listener == nullptr
        || !access_shadow::is_freed(reinterpret_cast<std::uintptr_t>(block))) {
        return false;
    }
    coroscope::detail::access made{block, 1, coroscope::detail::access_kind::write};
    made.code = user_of_allocation(caller);
    const coroscope::detail::own_accesses inside;
    // Whether or not anybody can say whose it was, it is not freed twice.
    return annotation_listener->on_use_of_freed(made) || freed_blocks::contains(block);
}

/// `bytes`: as whoever frees it says; 0: nobody does, and the allocator is asked. What code for
/// which somebody looks for races had allocated is kept, if somebody listens. True: it is.
[[gnu::noinline]] bool end_told_life(freed_blocks::entry freed, const void* caller) noexcept {
    if (was_freed_before(freed.block, caller)) { return true; }
    const auto known = known_blocks::find_begin(freed.block);
    // What is known may be of a block that was there before, what is given may be wrong.
    freed.bytes = freed.given_bytes != 0 ? freed.given_bytes : ::malloc_usable_size(freed.block);
    if (known.bytes != 0) { freed.bytes = std::min(freed.bytes, known.bytes); }
    end_life(freed.block, freed.bytes);
    const bool is_kept = annotation_listener != nullptr && this_stretch.number != 0
                         && known.code != nullptr && freed.bytes <= freed_blocks::largest;
    if (!is_kept) { return false; }
    const auto* const code = user_of_allocation(caller);
    const coroscope::detail::own_accesses inside;
    if (code == nullptr || !annotation_listener->on_freed(known, code)) { return false; }
    access_shadow::note_freed(reinterpret_cast<std::uintptr_t>(freed.block), freed.bytes);
    freed_blocks::keep(freed);
    return true;
}

// What is freed while nobody listens is not to be taken for what comes to lie there.
[[gnu::always_inline]] inline bool end_life_of(void* block, std::size_t bytes,
                                               std::align_val_t alignment,
                                               freed_blocks::release give_back) noexcept {
    if (is_told() && block != nullptr) [[unlikely]] {
        return end_told_life({block, 0, bytes, alignment, give_back}, __builtin_return_address(0));
    }
    known_blocks::remove(block);
    return false;
}

}  // namespace

/// `size`, `alignment`: of the arguments, or what stands for them.
#define COROSCOPE_DELETE(mangled, parameters, arguments, size, alignment)                       \
    void __real_##mangled parameters noexcept;                                                  \
    static void give_back_##mangled(void* block, [[maybe_unused]] std::size_t bytes,            \
                                    [[maybe_unused]] std::align_val_t to) noexcept {            \
        __real_##mangled arguments;                                                             \
    }                                                                                           \
    void __wrap_##mangled parameters noexcept {                                                 \
        if (end_life_of(block, size, alignment, &give_back_##mangled)) [[unlikely]] { return; } \
        __real_##mangled arguments;                                                             \
    }
#define COROSCOPE_NEW(mangled, parameters, arguments)         \
    void* __real_##mangled parameters;                        \
    void* __wrap_##mangled parameters {                       \
        return begin_life(__real_##mangled arguments, bytes); \
    }

extern "C" {

void* __real_realloc(void* block, std::size_t bytes);
int __real_posix_memalign(void** block, std::size_t alignment, std::size_t bytes);

COROSCOPE_NEW(malloc, (std::size_t bytes), (bytes))
COROSCOPE_NEW(aligned_alloc, (std::size_t alignment, std::size_t bytes), (alignment, bytes))
COROSCOPE_NEW(memalign, (std::size_t alignment, std::size_t bytes), (alignment, bytes))
COROSCOPE_DELETE(free, (void* block), (block), 0, std::align_val_t{})

void* __real_calloc(std::size_t count, std::size_t bytes);
void* __wrap_calloc(std::size_t count, std::size_t bytes) {
    return begin_life(__real_calloc(count, bytes), count * bytes);
}
void* __wrap_realloc(void* block, std::size_t bytes) {
    const auto before = is_told() && block != nullptr ? ::malloc_usable_size(block) : 0;
    auto* const moved = __real_realloc(block, bytes);
    if (before != 0 && moved != block && (moved != nullptr || bytes == 0)) {
        end_life(block, before);
    }
    if (moved != block) { return begin_life(moved, bytes); }
    if (is_told() && moved != nullptr) [[unlikely]] {  // the same memory, of another size
        known_blocks::add({moved, bytes, user_of_allocation(__builtin_return_address(0)), false});
    }
    return moved;
}
int __wrap_posix_memalign(void** block, std::size_t alignment, std::size_t bytes) {
    const int error = __real_posix_memalign(block, alignment, bytes);
    if (error == 0) { begin_life(*block, bytes); }
    return error;
}

// Exceptions lie in blocks that the shared library gets and frees.
void* __real___cxa_allocate_exception(std::size_t bytes) noexcept;
void* __wrap___cxa_allocate_exception(std::size_t bytes) noexcept {
    auto* const made = __real___cxa_allocate_exception(bytes);
    if (is_told()) [[unlikely]] { end_life(made, bytes); }
    return made;
}

// operator new and new[]: plain, not throwing, aligned, both.
COROSCOPE_NEW(_Znwm, (std::size_t bytes), (bytes))
COROSCOPE_NEW(_Znam, (std::size_t bytes), (bytes))
COROSCOPE_NEW(_ZnwmRKSt9nothrow_t, (std::size_t bytes, const std::nothrow_t& tag), (bytes, tag))
COROSCOPE_NEW(_ZnamRKSt9nothrow_t, (std::size_t bytes, const std::nothrow_t& tag), (bytes, tag))
COROSCOPE_NEW(_ZnwmSt11align_val_t, (std::size_t bytes, std::align_val_t to), (bytes, to))
COROSCOPE_NEW(_ZnamSt11align_val_t, (std::size_t bytes, std::align_val_t to), (bytes, to))
COROSCOPE_NEW(_ZnwmSt11align_val_tRKSt9nothrow_t,
              (std::size_t bytes, std::align_val_t to, const std::nothrow_t& tag), (bytes, to, tag))
COROSCOPE_NEW(_ZnamSt11align_val_tRKSt9nothrow_t,
              (std::size_t bytes, std::align_val_t to, const std::nothrow_t& tag), (bytes, to, tag))

// operator delete and delete[]: plain, with a size, aligned, both. Without a size, the allocator is
// asked: whatever is behind operator new, it has to be malloc's.
COROSCOPE_DELETE(_ZdlPv, (void* block), (block), 0, std::align_val_t{})
COROSCOPE_DELETE(_ZdaPv, (void* block), (block), 0, std::align_val_t{})
COROSCOPE_DELETE(_ZdlPvm, (void* block, std::size_t bytes), (block, bytes), bytes,
                 std::align_val_t{})
COROSCOPE_DELETE(_ZdaPvm, (void* block, std::size_t bytes), (block, bytes), bytes,
                 std::align_val_t{})
COROSCOPE_DELETE(_ZdlPvSt11align_val_t, (void* block, std::align_val_t to), (block, to), 0, to)
COROSCOPE_DELETE(_ZdaPvSt11align_val_t, (void* block, std::align_val_t to), (block, to), 0, to)
COROSCOPE_DELETE(_ZdlPvmSt11align_val_t, (void* block, std::size_t bytes, std::align_val_t to),
                 (block, bytes, to), bytes, to)
COROSCOPE_DELETE(_ZdaPvmSt11align_val_t, (void* block, std::size_t bytes, std::align_val_t to),
                 (block, bytes, to), bytes, to)

}  // extern "C"
