// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace coroscope::detail {

/// The cheapest trustworthy time stamp of this machine, for measuring steps: the time-stamp
/// counter where both CPUID and the kernel's choice of clock source call it invariant, and
/// `steady_clock` elsewhere. Always real time, whatever clock the loop runs under.
class tick_clock {
public:
    [[nodiscard]] static std::uint64_t now() noexcept {
#if defined(__x86_64__)
        if (scale_.uses_counter) [[likely]] { return __rdtsc(); }
#endif
        return static_cast<std::uint64_t>(
            std::chrono::steady_clock::now().time_since_epoch().count());
    }

    /// Ticks between two stamps; a negative or absurd difference (more than a day) counts as 0.
    [[nodiscard]] static std::uint64_t between(std::uint64_t from, std::uint64_t to) noexcept {
        const auto ticks = to - from;
        return ticks < scale_.absurd ? ticks : 0;
    }

    [[nodiscard]] static std::chrono::nanoseconds to_duration(std::uint64_t ticks) noexcept;
    [[nodiscard]] static std::uint64_t to_ticks(std::chrono::nanoseconds d) noexcept;

    /// The instant of a stamp on `steady_clock`'s axis.
    [[nodiscard]] static std::chrono::steady_clock::time_point to_time(
        std::uint64_t stamp) noexcept;

    [[nodiscard]] static bool uses_time_stamp_counter() noexcept {
        return scale_.uses_counter;
    }

private:
    struct scale {
        double nanoseconds_per_tick = 1.0;
        std::uint64_t absurd = ~std::uint64_t{0};
        std::uint64_t origin_ticks = 0;
        std::int64_t origin_nanoseconds = 0;
        bool uses_counter = false;
    };
    [[nodiscard]] static scale calibrate() noexcept;
    static const scale scale_;
};

}  // namespace coroscope::detail
