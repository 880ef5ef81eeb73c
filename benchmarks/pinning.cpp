// SPDX-License-Identifier: Apache-2.0
#include "pinning.hpp"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <vector>

#include <sched.h>

namespace coroscope::benchmarks {
namespace {

[[nodiscard]] std::vector<int> allowed_at_start() {
    cpu_set_t set;
    CPU_ZERO(&set);
    ::sched_getaffinity(0, sizeof(set), &set);
    std::vector<int> processors;
    for (int i = 0; i < CPU_SETSIZE; ++i) {
        if (CPU_ISSET(static_cast<unsigned>(i), &set)) { processors.push_back(i); }
    }
    return processors;
}

const std::vector<int> allowed = allowed_at_start();
int measured = -1;

void pin_to(int processor) noexcept {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<unsigned>(processor), &set);
    ::sched_setaffinity(0, sizeof(set), &set);
}

[[nodiscard]] double least_cost_on(int processor, double (*cost)()) {
    constexpr int tries = 5;
    pin_to(processor);
    auto least = std::numeric_limits<double>::infinity();
    for (int i = 0; i < tries; ++i) {
        least = std::min(least, cost());
    }
    return least;
}

}  // namespace

void pin_measured_thread(double (*cost)()) {
    constexpr std::size_t most = 8;  // of a large machine's processors, that are tried
    if (allowed.size() < 2) { return; }
    auto least = std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < std::min(allowed.size(), most); ++i) {
        const auto here = least_cost_on(allowed[i], cost);
        if (here < least) {
            least = here;
            measured = allowed[i];
        }
    }
    pin_to(measured);
}

void pin_loading_thread() noexcept {
    const auto other =
        std::find_if(allowed.rbegin(), allowed.rend(), [](int each) { return each != measured; });
    if (other != allowed.rend()) { pin_to(*other); }
}

}  // namespace coroscope::benchmarks
