// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <ctime>

namespace coroscope::benchmarks {

/// Nanoseconds since construction. Processor time of this thread suits work that never blocks: a
/// neighbour on a busy machine does not count. Wall time is for what waits or uses two threads.
class stopwatch {
public:
    enum class kind { thread_processor, wall };

    explicit stopwatch(kind what) noexcept
        : clock_(what == kind::wall ? CLOCK_MONOTONIC : CLOCK_THREAD_CPUTIME_ID),
          start_(now()) {}

    [[nodiscard]] double nanoseconds() const noexcept { return now() - start_; }
    [[nodiscard]] double nanoseconds_per(std::size_t operations) const noexcept {
        return nanoseconds() / static_cast<double>(operations);
    }

private:
    [[nodiscard]] double now() const noexcept {
        ::timespec t{};
        ::clock_gettime(clock_, &t);
        return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
    }

    clockid_t clock_;
    double start_;
};

}  // namespace coroscope::benchmarks
