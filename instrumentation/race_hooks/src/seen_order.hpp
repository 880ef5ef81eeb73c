// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/instrumentation/detail/annotation.hpp>

#include <coroscope/runtime/detail/access_sink.hpp>

namespace coroscope::instrumentation::detail {

/// An object orders threads: who listens wants to know, whoever's code it is, since order that is
/// not known looks like a race.
[[gnu::always_inline]] inline void see_order(const volatile void* object,
                                             thread_order how) noexcept {
    if (coroscope::detail::this_stretch.number == 0 || annotation_listener == nullptr) [[likely]] {
        return;
    }
    annotation_listener->on_thread_order(const_cast<const void*>(object), how);  // NOLINT
}

/// Without the hints for lock elision above it.
[[nodiscard]] constexpr int plain_order(int order) noexcept {
    return order & 0x7fff;
}
[[nodiscard]] constexpr bool is_release(int order) noexcept {
    const auto plain = plain_order(order);
    return plain == __ATOMIC_RELEASE || plain == __ATOMIC_ACQ_REL || plain == __ATOMIC_SEQ_CST;
}
[[nodiscard]] constexpr bool is_acquire(int order) noexcept {
    const auto plain = plain_order(order);
    return plain == __ATOMIC_ACQUIRE || plain == __ATOMIC_CONSUME || plain == __ATOMIC_ACQ_REL
           || plain == __ATOMIC_SEQ_CST;
}

// A release is told before the operation and an acquire after it: whoever sees what was stored is
// known to come later.

[[gnu::always_inline]] inline void see_store_order(const volatile void* object,
                                                   int order) noexcept {
    see_order(object, is_release(order) ? thread_order::release : thread_order::weak_store);
}
[[gnu::always_inline]] inline void see_load_order(const volatile void* object, int order) noexcept {
    see_order(object, is_acquire(order) ? thread_order::acquire : thread_order::weak_load);
}

}  // namespace coroscope::instrumentation::detail
