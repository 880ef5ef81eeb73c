// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace coroscope::detail {

/// Copies memory of this process that may have been freed, or unmapped, meanwhile, or is being
/// written: by the kernel, which neither faults nor tells a sanitizer. False where some of it is
/// not there. **Cost**: half a microsecond.
[[nodiscard]] bool copy_own_memory(std::uint64_t address, void* to, std::size_t bytes) noexcept;

/// Zeros where it cannot be read.
template <class T>
[[nodiscard]] T read_own_memory(std::uint64_t address) noexcept {
    static_assert(std::is_trivially_copyable_v<T>);
    T value{};
    return copy_own_memory(address, &value, sizeof(T)) ? value : T{};
}

}  // namespace coroscope::detail
