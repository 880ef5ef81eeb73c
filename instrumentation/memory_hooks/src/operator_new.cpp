// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/memory_hooks.hpp>

#include <coroscope/instrumentation/detail/allocation_feed.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace {

using coroscope::instrumentation::detail::note_allocation;
using coroscope::instrumentation::detail::note_free;

/// As the standard asks: the new-handler is called until there is memory or no handler.
template <class Allocate>
[[nodiscard]] void* until_there_is_memory(Allocate allocate) {
    while (true) {
        if (void* const block = allocate(); block != nullptr) { return block; }
        const auto handler = std::get_new_handler();
        if (handler == nullptr) { return nullptr; }
        handler();
    }
}

[[nodiscard]] void* allocate(std::size_t size, const void* caller) {
    const auto wanted = std::max<std::size_t>(size, 1);
    auto* block = std::malloc(wanted);
    if (block == nullptr) [[unlikely]] {
        block = until_there_is_memory([wanted] { return std::malloc(wanted); });
    }
    note_allocation(block, size, caller);
    return block;
}

[[nodiscard]] void* allocate(std::size_t size, std::align_val_t alignment, const void* caller) {
    const auto boundary = std::max(static_cast<std::size_t>(alignment), sizeof(void*));
    // aligned_alloc wants a multiple.
    const auto wanted = (std::max<std::size_t>(size, 1) + boundary - 1) / boundary * boundary;
    auto* const block = wanted < size ? nullptr : until_there_is_memory([boundary, wanted] {
        return std::aligned_alloc(boundary, wanted);
    });
    note_allocation(block, size, caller);
    return block;
}

[[nodiscard]] void* or_throw(void* block) {
    if (block == nullptr) [[unlikely]] { throw std::bad_alloc(); }
    return block;
}

template <class Allocate>
[[nodiscard]] void* or_null(Allocate allocate) noexcept {
    try {
        return allocate();
    } catch (...) { return nullptr; }  // a new-handler threw
}

void release(void* block) noexcept {
    note_free(block);
    std::free(block);
}

}  // namespace

// NOLINTBEGIN(misc-new-delete-overloads): every form there is

void* operator new(std::size_t size) {
    return or_throw(allocate(size, __builtin_return_address(0)));
}
void* operator new[](std::size_t size) {
    return or_throw(allocate(size, __builtin_return_address(0)));
}
void* operator new(std::size_t size, std::align_val_t alignment) {
    return or_throw(allocate(size, alignment, __builtin_return_address(0)));
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
    return or_throw(allocate(size, alignment, __builtin_return_address(0)));
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    const auto* caller = __builtin_return_address(0);
    return or_null([&] { return allocate(size, caller); });
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
    const auto* caller = __builtin_return_address(0);
    return or_null([&] { return allocate(size, caller); });
}
void* operator new(std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
    const auto* caller = __builtin_return_address(0);
    return or_null([&] { return allocate(size, alignment, caller); });
}
void* operator new[](std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
    const auto* caller = __builtin_return_address(0);
    return or_null([&] { return allocate(size, alignment, caller); });
}

void operator delete(void* block) noexcept {
    release(block);
}
void operator delete[](void* block) noexcept {
    release(block);
}
void operator delete(void* block, std::size_t) noexcept {
    release(block);
}
void operator delete[](void* block, std::size_t) noexcept {
    release(block);
}
void operator delete(void* block, std::align_val_t) noexcept {
    release(block);
}
void operator delete[](void* block, std::align_val_t) noexcept {
    release(block);
}
void operator delete(void* block, std::size_t, std::align_val_t) noexcept {
    release(block);
}
void operator delete[](void* block, std::size_t, std::align_val_t) noexcept {
    release(block);
}
void operator delete(void* block, const std::nothrow_t&) noexcept {
    release(block);
}
void operator delete[](void* block, const std::nothrow_t&) noexcept {
    release(block);
}
void operator delete(void* block, std::align_val_t, const std::nothrow_t&) noexcept {
    release(block);
}
void operator delete[](void* block, std::align_val_t, const std::nothrow_t&) noexcept {
    release(block);
}

// NOLINTEND(misc-new-delete-overloads)

namespace coroscope::instrumentation {

void hook_memory() noexcept {
    detail::memory_hooks_name.store(
        "operator new and delete, replaced; malloc as C libraries and thrown exceptions call it, "
        "mmap "
        "and coroutine frames are not counted; link coroscope::memory_hooks of a build with "
        "COROSCOPE_BUILD_GPERFTOOLS to see malloc",
        std::memory_order_release);
}

}  // namespace coroscope::instrumentation
