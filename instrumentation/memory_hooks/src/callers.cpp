// SPDX-License-Identifier: Apache-2.0
#include "callers.hpp"

#include <cstring>

#include <link.h>
#include <unwind.h>

namespace coroscope::instrumentation::detail {
namespace {

struct code_search {
    std::uintptr_t wanted = 0;
    std::uintptr_t begin = 0;
    std::uintptr_t size = 0;
};

int find_code(dl_phdr_info* info, std::size_t /*size*/, void* data) {
    auto& search = *static_cast<code_search*>(data);
    for (std::size_t i = 0; i < info->dlpi_phnum; ++i) {
        const auto& part = info->dlpi_phdr[i];
        const auto begin = info->dlpi_addr + part.p_vaddr;
        if (part.p_type == PT_LOAD && search.wanted - begin < part.p_memsz) {
            search.begin = begin;
            search.size = part.p_memsz;
            return 1;
        }
    }
    return 0;
}

[[nodiscard]] code_search code_around(std::uintptr_t address) noexcept {
    code_search search;
    search.wanted = address;
    ::dl_iterate_phdr(&find_code, &search);
    return search;
}

[[nodiscard]] std::uintptr_t word_at(std::uintptr_t address) noexcept {
    std::uintptr_t word = 0;
    std::memcpy(&word, reinterpret_cast<const void*>(address), sizeof word);  // NOLINT
    return word;
}

}  // namespace

/// Frames of a walk, which ends with the first one outside of the allocator after some inside.
struct allocator_callers::unwinding {
    allocator_callers& callers;
    std::uintptr_t inside = 0;         ///< the return address in the last frame, if the allocator's
    std::uintptr_t stack_pointer = 0;  ///< of the last frame
    std::uintptr_t found = 0;

    static _Unwind_Reason_Code visit(_Unwind_Context* context, void* data) {
        auto& walk = *static_cast<unwinding*>(data);
        const std::uintptr_t address = ::_Unwind_GetIP(context);
        const std::uintptr_t stack_pointer = ::_Unwind_GetCFA(context);
        if (walk.inside != 0 && word_at(stack_pointer - sizeof(void*)) == address) {
            walk.callers.keep(walk.inside, stack_pointer - walk.stack_pointer);
        }
        const bool is_inside = walk.callers.is_inside(address);
        if (!is_inside && walk.inside != 0) {
            walk.found = address;
            return _URC_END_OF_STACK;
        }
        walk.inside = is_inside ? address : 0;
        walk.stack_pointer = stack_pointer;
        return _URC_NO_REASON;
    }
};

bool allocator_callers::learn_about(const void* function) noexcept {
    const auto allocator = code_around(reinterpret_cast<std::uintptr_t>(function));
    const auto own = reinterpret_cast<std::uintptr_t>(&find_code);
    if (allocator.size == 0 || own - allocator.begin < allocator.size) { return false; }
    begin_ = allocator.begin;
    size_ = allocator.size;
    return true;
}

const void* allocator_callers::find(const void* frame, const void* return_address) noexcept {
    auto address = reinterpret_cast<std::uintptr_t>(return_address);
    auto stack_pointer = reinterpret_cast<std::uintptr_t>(frame) + 2 * sizeof(void*);
    while (is_inside(address)) {
        const auto size = size_of_frame(address);
        if (size == 0) {
            address = unwind();
            break;
        }
        stack_pointer += size;
        address = word_at(stack_pointer - sizeof(void*));
    }
    return reinterpret_cast<const void*>(address);  // NOLINT(performance-no-int-to-ptr)
}

std::size_t allocator_callers::slot_of(std::uintptr_t address) const noexcept {
    return ((address - begin_) * 0x9E37'79B9'7F4A'7C15U) >> 58U;
}

std::size_t allocator_callers::size_of_frame(std::uintptr_t address) const noexcept {
    auto slot = slot_of(address);
    for (std::size_t i = 0; i < most_frames; ++i) {
        const auto known = frames_[slot].load(std::memory_order_relaxed);
        if (known == 0) { return 0; }
        if (known >> 32U == address - begin_) { return known & 0xFFFF'FFFFU; }
        slot = (slot + 1) % most_frames;
    }
    return 0;
}

void allocator_callers::keep(std::uintptr_t address, std::size_t size) noexcept {
    const auto learned = (address - begin_) << 32U | size;
    auto slot = slot_of(address);
    for (std::size_t i = 0; i < most_frames; ++i) {
        auto known = learned_frame{0};
        if (frames_[slot].compare_exchange_strong(known, learned, std::memory_order_relaxed)
            || known == learned) {
            return;
        }
        slot = (slot + 1) % most_frames;
    }
}

std::uintptr_t allocator_callers::unwind() noexcept {
    unwinding walk{*this};
    ::_Unwind_Backtrace(&unwinding::visit, &walk);
    return walk.found;
}

}  // namespace coroscope::instrumentation::detail
