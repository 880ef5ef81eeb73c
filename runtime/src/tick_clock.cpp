// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/detail/tick_clock.hpp>

#include <coroscope/runtime/observer.hpp>
#include <coroscope/runtime/task_table_header.hpp>

#include <fstream>
#include <string>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace coroscope::detail {
namespace {

[[nodiscard]] bool counter_is_trustworthy() {
#if defined(__x86_64__)
    unsigned a = 0;
    unsigned b = 0;
    unsigned c = 0;
    unsigned d = 0;
    constexpr unsigned invariant_bit = 1U << 8U;  // CPUID 8000_0007h, EDX
    if (__get_cpuid(0x80000007U, &a, &b, &c, &d) == 0 || (d & invariant_bit) == 0) { return false; }
    std::ifstream file("/sys/devices/system/clocksource/clocksource0/current_clocksource");
    std::string name;
    return static_cast<bool>(file >> name) && name == "tsc";
#else
    return false;
#endif
}

[[nodiscard]] std::int64_t steady_nanoseconds() noexcept {
    return std::chrono::steady_clock::now().time_since_epoch().count();
}

#if defined(__x86_64__)
struct moment {
    std::uint64_t ticks;
    std::int64_t time;
};

/// The same moment on both clocks. The closest of several readings: the thread may be interrupted
/// between the two clocks, and on a busy machine for longer than the calibration takes.
[[nodiscard]] moment read_both() noexcept {
    constexpr int readings = 16;
    moment best{};
    auto closest = ~std::uint64_t{0};
    for (int i = 0; i < readings; ++i) {
        const auto before = __rdtsc();
        const auto time = steady_nanoseconds();
        const auto width = __rdtsc() - before;
        if (width < closest) {
            closest = width;
            best = {before + width / 2, time};
        }
    }
    return best;
}
#endif

}  // namespace

tick_clock::scale tick_clock::calibrate() noexcept {
    constexpr double day = 86'400e9;
    scale s;
    s.absurd = static_cast<std::uint64_t>(day);
    try {
        s.uses_counter = counter_is_trustworthy();
    } catch (...) { s.uses_counter = false; }
#if defined(__x86_64__)
    if (s.uses_counter) {
        // Two pairs of stamps, two milliseconds apart: off by less than one part in ten thousand.
        const auto first = read_both();
        while (steady_nanoseconds() - first.time < 2'000'000) {}
        const auto second = read_both();
        s.nanoseconds_per_tick = static_cast<double>(second.time - first.time)
                                 / static_cast<double>(second.ticks - first.ticks);
        s.origin_ticks = second.ticks;
        s.origin_nanoseconds = second.time;
        s.absurd = static_cast<std::uint64_t>(day / s.nanoseconds_per_tick);
        return s;
    }
#endif
    s.origin_nanoseconds = steady_nanoseconds();
    s.origin_ticks = static_cast<std::uint64_t>(s.origin_nanoseconds);
    return s;
}

const tick_clock::scale tick_clock::scale_ = [] {
    const auto made = calibrate();
    coroscope_task_table.nanoseconds_per_tick = made.nanoseconds_per_tick;
    coroscope_task_table.ticks_are_tsc = made.uses_counter ? 1 : 0;
    return made;
}();

std::chrono::nanoseconds tick_clock::to_duration(std::uint64_t ticks) noexcept {
    return std::chrono::nanoseconds(
        static_cast<std::int64_t>(static_cast<double>(ticks) * scale_.nanoseconds_per_tick));
}

std::uint64_t tick_clock::to_ticks(std::chrono::nanoseconds d) noexcept {
    if (d.count() <= 0) { return 0; }
    const auto ticks = static_cast<double>(d.count()) / scale_.nanoseconds_per_tick;
    constexpr double largest = 1.8e19;
    return ticks < largest ? static_cast<std::uint64_t>(ticks) : ~std::uint64_t{0};
}

std::chrono::steady_clock::time_point tick_clock::to_time(std::uint64_t stamp) noexcept {
    const auto ticks = static_cast<double>(static_cast<std::int64_t>(stamp - scale_.origin_ticks));
    return std::chrono::steady_clock::time_point(
        std::chrono::nanoseconds(scale_.origin_nanoseconds
                                 + static_cast<std::int64_t>(ticks * scale_.nanoseconds_per_tick)));
}

}  // namespace coroscope::detail

namespace coroscope {

std::uint64_t step_clock::now() noexcept {
    return detail::tick_clock::now();
}

duration step_clock::between(std::uint64_t from, std::uint64_t to) noexcept {
    return detail::tick_clock::to_duration(detail::tick_clock::between(from, to));
}

std::chrono::steady_clock::time_point step_clock::at(std::uint64_t stamp) noexcept {
    return detail::tick_clock::to_time(stamp);
}

}  // namespace coroscope
