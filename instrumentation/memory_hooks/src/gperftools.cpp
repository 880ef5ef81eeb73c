// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/memory_hooks.hpp>

#include "callers.hpp"

#include <coroscope/instrumentation/detail/allocation_feed.hpp>

#include <gperftools/malloc_hook.h>

#include <cstddef>
#include <mutex>
#include <utility>

#include <dlfcn.h>

namespace coroscope::instrumentation {
namespace {

constinit detail::allocator_callers callers;
constinit std::once_flag is_hooked;
constinit thread_local bool is_finding = false;

// gperftools calls these with its own locks free, and not for what they allocate themselves.

void on_new(const void* block, std::size_t size) {
    if (!detail::may_be_watched(block, size)) [[likely]] { return; }
    if (std::exchange(is_finding, true)) { return; }  // what unwinding allocates itself
    const auto* const caller =
        callers.find(__builtin_frame_address(0), __builtin_return_address(0));
    is_finding = false;
    detail::note_allocation_slow(block, size, caller);
}

void on_delete(const void* block) {
    detail::note_free(block);
}

void add_hooks() noexcept {
    // Asked of the linker, since in a program its own address may be that of a jump to it.
    if (!callers.learn_about(::dlsym(RTLD_DEFAULT, "MallocHook_AddNewHook"))) { return; }
    if (!MallocHook::AddDeleteHook(&on_delete)) { return; }
    if (!MallocHook::AddNewHook(&on_new)) {
        MallocHook::RemoveDeleteHook(&on_delete);
        return;
    }
    detail::memory_hooks_name.store(
        "malloc and its relatives, operator new and delete, through gperftools; "
        "mmap and coroutine frames are not counted",
        std::memory_order_release);
}

}  // namespace

void hook_memory() noexcept {
    std::call_once(is_hooked, add_hooks);
}

}  // namespace coroscope::instrumentation
