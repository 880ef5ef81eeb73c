// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/detail/access_sink.hpp>

#include <cstddef>
#include <cstdint>

namespace coroscope::instrumentation::detail {

/// What is known of the accesses that the compiler saw is kept for that many bytes together.
constexpr std::size_t granule_bytes = 8;

/// Calls `f(granule, bytes)` for all that an access touches: where a granule begins, and which of
/// its bytes, a bit each. Of a long range, what begins it stands for all.
template <class F>
void for_each_granule(const coroscope::detail::access& made, const F& f) {
    constexpr std::size_t most_bytes = 512;
    const auto begin = reinterpret_cast<std::uintptr_t>(made.object);
    const auto end = begin + (made.bytes < most_bytes ? made.bytes : most_bytes);
    for (auto granule = begin - begin % granule_bytes; granule < end; granule += granule_bytes) {
        unsigned bits = 0xff;
        if (granule < begin) { bits &= 0xffU << (begin - granule); }
        if (granule + granule_bytes > end) { bits &= 0xffU >> (granule + granule_bytes - end); }
        f(granule, static_cast<std::uint8_t>(bits));
    }
}

}  // namespace coroscope::instrumentation::detail
