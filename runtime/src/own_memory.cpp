// SPDX-License-Identifier: Apache-2.0
#include "own_memory.hpp"

#include <sys/uio.h>
#include <unistd.h>

namespace coroscope::detail {

bool copy_own_memory(std::uint64_t address, void* to, std::size_t bytes) noexcept {
    iovec here{to, bytes};
    iovec there{reinterpret_cast<void*>(address), bytes};  // NOLINT(performance-no-int-to-ptr)
    return ::process_vm_readv(::getpid(), &here, 1, &there, 1, 0) == static_cast<::ssize_t>(bytes);
}

}  // namespace coroscope::detail
