// SPDX-License-Identifier: Apache-2.0
#include "stack_copy.hpp"

#include <algorithm>
#include <array>

#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

namespace coroscope::instrumentation::detail {

namespace {

/// Below the stack pointer lies what functions may use without moving it. Unwind tables refer to a
/// frame pointer there that has just been taken from the stack.
constexpr std::uintptr_t red_zone = 128;

}  // namespace

register_values registers_in([[maybe_unused]] const ucontext_t& context) noexcept {
    register_values made;
#if defined(__x86_64__)
    constexpr std::array order{REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI,
                               REG_RBP, REG_RSP, REG_R8,  REG_R9,  REG_R10, REG_R11,
                               REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP};
    for (std::size_t i = 0; i < order.size(); ++i) {
        made.values[i] = static_cast<std::uint64_t>(context.uc_mcontext.gregs[order[i]]);
    }
    made.all_known = true;
#endif
    return made;
}

bool stack_copy::take(const register_values& registers, address_range stack) noexcept {
    registers_ = registers;
    const auto stack_pointer = registers.values[register_values::stack_pointer];
    // On a fiber or an alternate stack nobody knows where it ends: the kernel stops at the first
    // page that is not mapped.
    const auto end = stack.contains(stack_pointer) ? stack.high : stack_pointer + memory_.size();
    return copy(stack_pointer - red_zone, end) || copy(stack_pointer, end);
}

bool stack_copy::copy(std::uintptr_t begin, std::uintptr_t end) noexcept {
    begin_ = begin;
    size_ = 0;
    const auto wanted = std::min(memory_.size(), end - begin);
    const iovec here{memory_.data(), wanted};
    void* const source = reinterpret_cast<void*>(begin);  // NOLINT(performance-no-int-to-ptr)
    const iovec there{source, wanted};
    // Not the C library's function: sanitizers put their own in its place.
    const auto copied = ::syscall(SYS_process_vm_readv, ::getpid(), &here, 1UL, &there, 1UL, 0UL);
    if (copied > 0) { size_ = static_cast<std::size_t>(copied); }
    return copied > 0;
}

}  // namespace coroscope::instrumentation::detail
