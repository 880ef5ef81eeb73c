// SPDX-License-Identifier: Apache-2.0
#include "left_behind.hpp"

#include <coroscope/instrumentation/detail/annotation.hpp>

#include <atomic>

#include <pthread.h>

namespace coroscope::instrumentation::detail {
namespace {

constinit std::atomic<std::uint32_t> forks_behind{0};

// The runtime does the same with what is its own.
void stop_listening() {
    annotation_listener = nullptr;
    current_segment = 0;
    forks_behind.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

void expect_forks_while_listening() noexcept {
    static const int error = ::pthread_atfork(nullptr, nullptr, &stop_listening);
    static_cast<void>(error);  // no memory: as if there were no handler
}

std::uint32_t process_number() noexcept {
    return forks_behind.load(std::memory_order_relaxed);
}

}  // namespace coroscope::instrumentation::detail
