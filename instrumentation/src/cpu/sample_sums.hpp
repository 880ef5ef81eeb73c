// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sample_stack.hpp"

#include <coroscope/report/profile.hpp>
#include <coroscope/runtime/await_site.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace coroscope::instrumentation::detail {

/// Samples added up by stack and task. One thread at a time.
class sample_sums {
public:
    /// At most `most` different stacks.
    explicit sample_sums(std::size_t most) : most_(most) {}

    void add(const cpu_sample& sample);
    /// Periods that there was no room for.
    [[nodiscard]] std::int64_t dropped() const noexcept { return dropped_; }
    /// Finds the names; `period` is the CPU time between two samples.
    [[nodiscard]] report::profile make_profile(std::chrono::nanoseconds period) const;

private:
    struct sum {
        unwound_stack native;
        std::vector<await_site> sites;  ///< of those who wait for the coroutine that runs
        bool truncated = false;
        std::int64_t weight = 0;
    };

    std::size_t most_;
    sample_unwinder unwinder_;
    std::int64_t dropped_ = 0;
    /// By the numbers of all addresses, and the task's name.
    std::map<std::pair<std::vector<std::uintptr_t>, std::string>, sum> sums_;
};

}  // namespace coroscope::instrumentation::detail
