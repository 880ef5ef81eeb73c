// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <ctime>

/// Whether this build samples threads: not under the thread sanitizer, which holds signals back.
#if !defined(__x86_64__) || defined(__SANITIZE_THREAD__)
inline constexpr bool samples_cpu = false;
#elif defined(__has_feature)
inline constexpr bool samples_cpu = !__has_feature(thread_sanitizer);
#else
inline constexpr bool samples_cpu = true;
#endif

/// What this thread has run so far.
inline std::chrono::nanoseconds cpu_time() {
    timespec now{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

/// Computes for so much CPU time, however long that takes.
[[gnu::noinline]] inline void burn_cpu(std::chrono::nanoseconds how_long) {
    const auto end = cpu_time() + how_long;
    while (cpu_time() < end) {
        for (int i = 0; i < 2'000; ++i) {
            asm volatile("" ::: "memory");
        }
    }
}
