// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "access_shadow.hpp"
#include "code_origins.hpp"

#include <coroscope/runtime/detail/access_sink.hpp>

#include <cstddef>
#include <cstdint>

namespace coroscope::instrumentation::detail {

using coroscope::detail::atomicity;
using coroscope::detail::this_stretch;

/// Where an instrumented function's call comes from.
#define COROSCOPE_CALLER __builtin_return_address(0)

/// An instruction of the call that returns to this address.
[[nodiscard]] inline std::uintptr_t call_at(const void* return_address) noexcept {
    return reinterpret_cast<std::uintptr_t>(return_address) - 1;
}

/// Most of what a program of many short steps does is our headers' and Asio's.
[[nodiscard, gnu::always_inline]] inline bool is_passed_over(const void* caller) noexcept {
    return recently_asked.knows(call_at(caller), code_origin::internals);
}

/// Decides whether anybody has to be told of an access, and tells. `caller`: where the call of the
/// compiler's hook, or of a wrapped function, returns to.
void see_new_access(const void* data, std::size_t bytes, access_kind kind, const void* caller,
                    atomicity atomic = atomicity::none) noexcept;

/// Whether what is called with a return to `caller` is called for code that somebody looks for
/// races in. **Cost**: some tens of nanoseconds.
[[nodiscard]] bool is_for_user(const void* caller) noexcept;

/// Code of the user's that an allocation is for, which returns to `caller`; null: none.
[[nodiscard]] const void* user_of_allocation(const void* caller) noexcept;

/// This thread has started another one, to which it may have shown what is on its stack; that one
/// has been joined, or given up.
void share_stack() noexcept;
void unshare_stack() noexcept;

/// Something of `Bytes` bytes is accessed, which lie in one cell of the shadow.
template <std::size_t Bytes, access_kind Kind>
[[gnu::always_inline]] inline void see(const void* data, const void* caller) noexcept {
    const auto stretch = this_stretch.number;
    if (stretch == 0
        || access_shadow::knows<Bytes, Kind>(stretch, reinterpret_cast<std::uintptr_t>(data))
        || is_passed_over(caller)) {
        return;
    }
    see_new_access(data, Bytes, Kind, caller);
}

/// The same for any number of bytes anywhere.
[[gnu::always_inline]] inline void see_range(const void* data, std::size_t bytes, access_kind kind,
                                             const void* caller,
                                             atomicity atomic = atomicity::none) noexcept {
    const auto stretch = this_stretch.number;
    if (stretch == 0 || bytes == 0 || is_passed_over(caller)
        || access_shadow::knows(stretch, reinterpret_cast<std::uintptr_t>(data), bytes, kind)) {
        return;
    }
    see_new_access(data, bytes, kind, caller, atomic);
}

}  // namespace coroscope::instrumentation::detail
