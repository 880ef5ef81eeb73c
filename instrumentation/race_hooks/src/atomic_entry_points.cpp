// SPDX-License-Identifier: Apache-2.0
// Atomic operations, which the compilers replace by calls with -fsanitize=thread: they are carried
// out here. A task that reads an atomic variable, is suspended, and writes it may lose what others
// wrote as well as with any other variable, so they are accesses like others. Tasks of one thread
// they do not order; threads they do: an access is told before the order that its operation gives,
// since whoever sees what it wrote comes after it, too.
#include "seen_access.hpp"
#include "seen_order.hpp"

#include <cstdint>

using coroscope::detail::access_kind;
using coroscope::detail::atomicity;
using coroscope::instrumentation::detail::is_acquire;
using coroscope::instrumentation::detail::is_release;
using coroscope::instrumentation::detail::plain_order;
using coroscope::instrumentation::detail::see_load_order;
using coroscope::instrumentation::detail::see_order;
using coroscope::instrumentation::detail::see_range;
using coroscope::instrumentation::detail::see_store_order;
using coroscope::instrumentation::detail::thread_order;

namespace {

constexpr int sequential = __ATOMIC_SEQ_CST;

/// The compilers pass the order as a value. On x86-64 all others cost the same as these.
[[nodiscard]] constexpr bool is_sequential(int order) noexcept {
    return plain_order(order) == sequential;
}

template <class T>
[[gnu::always_inline]] inline void see_change(const volatile T* place, const void* caller) {
    const auto* const data = const_cast<const T*>(place);  // NOLINT(*-const-cast)
    see_range(data, sizeof(T), access_kind::read, caller, atomicity::change);
    see_range(data, sizeof(T), access_kind::write, caller, atomicity::change);
}

template <class T>
[[gnu::always_inline]] inline void see_single(const volatile T* place, access_kind kind,
                                              const void* caller) {
    see_range(const_cast<const T*>(place), sizeof(T), kind, caller, atomicity::single);  // NOLINT
}

template <class T>
[[gnu::always_inline]] inline T load(const volatile T* place, int order, const void* caller) {
    see_single(place, access_kind::read, caller);
    const T found = __atomic_load_n(place, sequential);
    see_load_order(place, order);
    return found;
}

template <class T>
[[gnu::always_inline]] inline void store(volatile T* place, T value, int order,
                                         const void* caller) {
    see_single(place, access_kind::write, caller);
    see_store_order(place, order);
    if (is_sequential(order)) {
        __atomic_store_n(place, value, sequential);
    } else {
        __atomic_store_n(place, value, __ATOMIC_RELEASE);
    }
}

/// Puts what was there into `expected` if that is something else. Whether it will write is told
/// before; another thread may come between.
template <class T>
[[gnu::always_inline]] inline bool exchange_if(volatile T* place, T* expected, T value, int order,
                                               int failure_order, const void* caller) {
    const bool may_write = __atomic_load_n(place, sequential) == *expected;
    if (may_write) {
        see_change(place, caller);
    } else {
        see_single(place, access_kind::read, caller);
    }
    see_store_order(place, order);
    const bool is_done =
        __atomic_compare_exchange_n(place, expected, value, false, sequential, sequential);
    if (is_done && !may_write) { see_change(place, caller); }
    see_load_order(place, is_done ? order : failure_order);
    return is_done;
}

}  // namespace

// NOLINTBEGIN(bugprone-macro-parentheses): types
#define COROSCOPE_CHANGE(bits, type, name, operation)                                \
    type __tsan_atomic##bits##_##name(volatile type* place, type value, int order) { \
        see_change(place, COROSCOPE_CALLER);                                         \
        see_store_order(place, order);                                               \
        const type found = operation(place, value, sequential);                      \
        see_load_order(place, order);                                                \
        return found;                                                                \
    }
#define COROSCOPE_EXCHANGE_IF(bits, type, strength)                                             \
    int __tsan_atomic##bits##_compare_exchange_##strength(volatile type* place, type* expected, \
                                                          type value, int order, int failure) { \
        return exchange_if(place, expected, value, order, failure, COROSCOPE_CALLER) ? 1 : 0;   \
    }
#define COROSCOPE_ATOMIC(bits, type)                                                      \
    type __tsan_atomic##bits##_load(const volatile type* place, int order) {              \
        return load(place, order, COROSCOPE_CALLER);                                      \
    }                                                                                     \
    void __tsan_atomic##bits##_store(volatile type* place, type value, int order) {       \
        store(place, value, order, COROSCOPE_CALLER);                                     \
    }                                                                                     \
    COROSCOPE_CHANGE(bits, type, exchange, __atomic_exchange_n)                           \
    COROSCOPE_CHANGE(bits, type, fetch_add, __atomic_fetch_add)                           \
    COROSCOPE_CHANGE(bits, type, fetch_sub, __atomic_fetch_sub)                           \
    COROSCOPE_CHANGE(bits, type, fetch_and, __atomic_fetch_and)                           \
    COROSCOPE_CHANGE(bits, type, fetch_or, __atomic_fetch_or)                             \
    COROSCOPE_CHANGE(bits, type, fetch_xor, __atomic_fetch_xor)                           \
    COROSCOPE_CHANGE(bits, type, fetch_nand, __atomic_fetch_nand)                         \
    COROSCOPE_EXCHANGE_IF(bits, type, strong)                                             \
    COROSCOPE_EXCHANGE_IF(bits, type, weak)                                               \
    type __tsan_atomic##bits##_compare_exchange_val(volatile type* place, type expected,  \
                                                    type value, int order, int failure) { \
        exchange_if(place, &expected, value, order, failure, COROSCOPE_CALLER);           \
        return expected;                                                                  \
    }
// NOLINTEND(bugprone-macro-parentheses)

extern "C" {

COROSCOPE_ATOMIC(8, std::uint8_t)
COROSCOPE_ATOMIC(16, std::uint16_t)
COROSCOPE_ATOMIC(32, std::uint32_t)
COROSCOPE_ATOMIC(64, std::uint64_t)

void __tsan_atomic_thread_fence(int order) {
    if (is_release(order)) { see_order(nullptr, thread_order::release_fence); }
    __atomic_thread_fence(sequential);
    if (is_acquire(order)) { see_order(nullptr, thread_order::acquire_fence); }
}
void __tsan_atomic_signal_fence(int) {
    __atomic_signal_fence(sequential);
}

}  // extern "C"
