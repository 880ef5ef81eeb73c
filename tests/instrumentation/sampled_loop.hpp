// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/instrumentation/cpu_profiler.hpp>
#include <coroscope/runtime/loop.hpp>

#include "instrumentation/cpu_burning.hpp"

#include <chrono>
#include <map>
#include <string>

/// A loop that is being sampled.
struct sampled_loop {
    explicit sampled_loop(coroscope::instrumentation::cpu_profiler_options options = {})
        : profiler(options) {
        profiler.attach_to(l);
    }
    coroscope::report::profile profile(const coroscope::task<>& work) {
        profiler.start();
        l.run_until_complete(work);
        return profiler.stop();
    }
    coroscope::instrumentation::cpu_profiler profiler;
    coroscope::loop l;
};

/// By task, in per cent of all samples.
inline std::map<std::string, double> shares_of(const coroscope::report::profile& profile) {
    std::map<std::string, double> shares;
    const auto whole = static_cast<double>(coroscope::report::total(profile, 1));
    for (const auto& sample : profile.samples) {
        shares[sample.task] += 100 * static_cast<double>(sample.values[1]) / whole;
    }
    return shares;
}

/// Computes for as long as it takes until a tick of the kernel's clock finds it at that.
[[nodiscard]] inline bool is_sampled_when_it_computes(
    coroscope::instrumentation::cpu_profiler& profiler) {
    constexpr int most_attempts = 100;
    for (int attempt = 0; attempt < most_attempts; ++attempt) {
        profiler.start();
        burn_cpu(std::chrono::milliseconds(100));
        if (coroscope::report::total(profiler.stop(), 0) > 0) { return true; }
    }
    return false;
}
