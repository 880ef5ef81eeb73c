// SPDX-License-Identifier: Apache-2.0
#include "fork_safe_mutex.hpp"

#include <pthread.h>

namespace coroscope::instrumentation::detail {
namespace {

constinit std::mutex listing;  // during a fork, too: nobody locks for the first time then
constinit fork_safe_mutex* first = nullptr;

}  // namespace

/// What the thread that forks does to all of them. In which order does not matter, since nobody
/// holds one and waits for another. The other process-wide locks of this component have more to do
/// in the new process, and see to themselves: those of the memory profiler, which all that
/// allocates waits for and which therefore are taken last, and that of the CPU profiler's threads.
class held_for_fork {
public:
    static void lock_all() {
        listing.lock();
        for (auto* each = first; each != nullptr; each = each->next_) {
            each->mutex_.lock();
        }
    }
    static void unlock_all() noexcept {
        for (auto* each = first; each != nullptr; each = each->next_) {
            each->mutex_.unlock();
        }
        listing.unlock();
    }
};

namespace {

// Before any thread may fork.
[[gnu::constructor]] void expect_forks() {
    ::pthread_atfork(&held_for_fork::lock_all, &held_for_fork::unlock_all,
                     &held_for_fork::unlock_all);
}

}  // namespace

void fork_safe_mutex::list() {
    const std::lock_guard lock(listing);
    if (is_listed_.load(std::memory_order_relaxed)) { return; }
    next_ = first;
    first = this;
    is_listed_.store(true, std::memory_order_release);
}

}  // namespace coroscope::instrumentation::detail
