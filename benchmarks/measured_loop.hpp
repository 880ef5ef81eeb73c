// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "benchmark.hpp"

#include <coroscope/instrumentation/slow.hpp>
#include <coroscope/runtime/loop.hpp>

namespace coroscope::benchmarks {

/// A loop with default options (so step times are measured), watched by a slow spotter if wanted.
class measured_loop {
public:
    explicit measured_loop(watching how) {
        if (how == watching::observed) { spotter_.attach_to(target_); }
    }
    measured_loop(const measured_loop&) = delete;
    measured_loop& operator=(const measured_loop&) = delete;
    ~measured_loop() = default;

    [[nodiscard]] loop& operator*() noexcept { return target_; }
    [[nodiscard]] loop* operator->() noexcept { return &target_; }

private:
    instrumentation::slow_spotter spotter_;
    loop target_;  // goes first
};

}  // namespace coroscope::benchmarks
