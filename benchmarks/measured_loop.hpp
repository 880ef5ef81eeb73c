// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "benchmark.hpp"

#include <coroscope/instrumentation/slow.hpp>
#include <coroscope/runtime/loop.hpp>

namespace coroscope::benchmarks {

/// A loop as programs run it: default options, so that every step is timed, and a slow spotter that
/// watches. Bare: nothing of either.
class measured_loop {
public:
    explicit measured_loop(watching how) : target_(options_for(how)) {
        if (how == watching::observed) { spotter_.attach_to(target_); }
    }
    measured_loop(const measured_loop&) = delete;
    measured_loop& operator=(const measured_loop&) = delete;
    ~measured_loop() = default;

    [[nodiscard]] loop& operator*() noexcept { return target_; }
    [[nodiscard]] loop* operator->() noexcept { return &target_; }

private:
    [[nodiscard]] static loop_options options_for(watching how) {
        loop_options options;
        options.time_stats = how == watching::observed;
        return options;
    }

    instrumentation::slow_spotter spotter_;
    loop target_;  // goes first
};

}  // namespace coroscope::benchmarks
