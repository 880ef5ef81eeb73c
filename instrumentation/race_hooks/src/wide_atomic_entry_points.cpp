// SPDX-License-Identifier: Apache-2.0
// The atomic operations on 16 bytes, out of the one that x86-64 has. See atomic_entry_points.cpp.
#include "seen_access.hpp"
#include "seen_order.hpp"

using coroscope::detail::access_kind;
using coroscope::detail::atomicity;
using coroscope::instrumentation::detail::see_order;
using coroscope::instrumentation::detail::see_range;
using coroscope::instrumentation::detail::thread_order;

namespace {

__extension__ using wide = unsigned __int128;

/// Gives what was there. Whatever order was asked for, it has all that there is.
[[gnu::always_inline]] inline wide exchange_if(volatile wide* place, wide expected, wide value,
                                               const void* caller) {
    auto* const data = const_cast<const wide*>(place);  // NOLINT: nothing is changed
    const auto see = [=](access_kind kind) {
        see_range(data, sizeof(wide), kind, caller, atomicity::change);
    };
    const bool may_write = __sync_val_compare_and_swap(place, wide{0}, wide{0}) == expected;
    see(access_kind::read);
    if (may_write) { see(access_kind::write); }
    see_order(place, thread_order::release);
    const wide found = __sync_val_compare_and_swap(place, expected, value);
    if (found == expected && !may_write) { see(access_kind::write); }
    see_order(place, thread_order::acquire);
    return found;
}

template <class F>
[[gnu::always_inline]] inline wide change(volatile wide* place, F changed, const void* caller) {
    wide expected = 0;
    while (true) {
        const wide found = exchange_if(place, expected, changed(expected), caller);
        if (found == expected) { return found; }
        expected = found;
    }
}

}  // namespace

#define COROSCOPE_CHANGE(name, result)                                      \
    wide __tsan_atomic128_##name(volatile wide* place, wide value, int) {   \
        return change(                                                      \
            place, [value](wide old) { return result; }, COROSCOPE_CALLER); \
    }
#define COROSCOPE_EXCHANGE_IF(strength)                                                    \
    int __tsan_atomic128_compare_exchange_##strength(volatile wide* place, wide* expected, \
                                                     wide value, int, int) {               \
        const wide found = exchange_if(place, *expected, value, COROSCOPE_CALLER);         \
        if (found == *expected) { return 1; }                                              \
        *expected = found;                                                                 \
        return 0;                                                                          \
    }

extern "C" {

wide __tsan_atomic128_load(const volatile wide* place, int) {
    auto* const data = const_cast<wide*>(place);  // NOLINT: nothing is changed
    see_range(data, sizeof(wide), access_kind::read, COROSCOPE_CALLER, atomicity::single);
    const wide found = __sync_val_compare_and_swap(data, wide{0}, wide{0});
    see_order(place, thread_order::acquire);
    return found;
}
void __tsan_atomic128_store(volatile wide* place, wide value, int) {
    change(
        place, [value](wide) { return value; }, COROSCOPE_CALLER);
}
wide __tsan_atomic128_exchange(volatile wide* place, wide value, int) {
    return change(
        place, [value](wide) { return value; }, COROSCOPE_CALLER);
}
COROSCOPE_CHANGE(fetch_add, old + value)
COROSCOPE_CHANGE(fetch_sub, old - value)
COROSCOPE_CHANGE(fetch_and, old& value)
COROSCOPE_CHANGE(fetch_or, old | value)
COROSCOPE_CHANGE(fetch_xor, old ^ value)
COROSCOPE_CHANGE(fetch_nand, ~(old& value))
COROSCOPE_EXCHANGE_IF(strong)
COROSCOPE_EXCHANGE_IF(weak)
wide __tsan_atomic128_compare_exchange_val(volatile wide* place, wide expected, wide value, int,
                                           int) {
    return exchange_if(place, expected, value, COROSCOPE_CALLER);
}

}  // extern "C"
