// SPDX-License-Identifier: Apache-2.0
#include "pinning.hpp"

#include <sched.h>

namespace coroscope::benchmarks {
namespace {

[[nodiscard]] cpu_set_t allowed_at_start() noexcept {
    cpu_set_t set;
    CPU_ZERO(&set);
    ::sched_getaffinity(0, sizeof(set), &set);
    return set;
}

const cpu_set_t allowed = allowed_at_start();

void pin_to(int processor) noexcept {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<unsigned>(processor), &set);
    ::sched_setaffinity(0, sizeof(set), &set);
}

}  // namespace

void pin_measured_thread() noexcept {
    for (int i = 0; i < CPU_SETSIZE; ++i) {
        if (CPU_ISSET(static_cast<unsigned>(i), &allowed)) {
            pin_to(i);
            return;
        }
    }
}

void pin_loading_thread() noexcept {
    for (int i = CPU_SETSIZE - 1; i >= 0; --i) {
        if (CPU_ISSET(static_cast<unsigned>(i), &allowed)) {
            pin_to(i);
            return;
        }
    }
}

}  // namespace coroscope::benchmarks
