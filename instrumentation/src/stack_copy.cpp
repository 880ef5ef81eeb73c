// SPDX-License-Identifier: Apache-2.0
#include "stack_copy.hpp"

#include <algorithm>

#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

namespace coroscope::instrumentation::detail {

bool stack_copy::take(const register_values& registers, address_range stack) noexcept {
    registers_ = registers;
    begin_ = registers.values[register_values::stack_pointer];
    size_ = 0;
    // On a fiber or an alternate stack nobody knows where it ends: the kernel stops at the first
    // page that is not mapped.
    const auto wanted =
        stack.contains(begin_) ? std::min(memory_.size(), stack.high - begin_) : memory_.size();
    const iovec here{memory_.data(), wanted};
    const iovec there{reinterpret_cast<void*>(begin_),
                      wanted};  // NOLINT(performance-no-int-to-ptr)
    // Not the C library's function: sanitizers put their own in its place.
    const auto copied = ::syscall(SYS_process_vm_readv, ::getpid(), &here, 1UL, &there, 1UL, 0UL);
    if (copied > 0) { size_ = static_cast<std::size_t>(copied); }
    return copied > 0;
}

}  // namespace coroscope::instrumentation::detail
