// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "benchmark.hpp"

#include <coroscope/runtime/detail/tick_clock.hpp>
#include <coroscope/runtime/loop.hpp>

#include <cstdint>
#include <span>

namespace coroscope::benchmarks {

/// Looks for slow steps, as the slow spotter does.
class slow_step_scan final : public observer {
public:
    explicit slow_step_scan(duration threshold) noexcept
        : threshold_(detail::tick_clock::to_ticks(threshold)) {}
    void on_steps(std::span<const step_record> steps) noexcept override {
        for (const auto& step : steps) {
            if (step.end - step.begin >= threshold_) { ++slow_; }
        }
    }

private:
    std::uint64_t threshold_;
    std::uint64_t slow_ = 0;
};

/// A loop with default options (so step times are measured), and observers if wanted.
class measured_loop {
public:
    explicit measured_loop(watching how) : scan_(target_.slow_callback_duration()) {
        if (how == watching::observed) { target_.add_observer(scan_); }
    }
    measured_loop(const measured_loop&) = delete;
    measured_loop& operator=(const measured_loop&) = delete;
    ~measured_loop() { target_.close(); }

    [[nodiscard]] loop& operator*() noexcept { return target_; }
    [[nodiscard]] loop* operator->() noexcept { return &target_; }

private:
    loop target_;
    slow_step_scan scan_;
};

}  // namespace coroscope::benchmarks
