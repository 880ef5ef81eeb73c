// SPDX-License-Identifier: Apache-2.0
#include "fork_safe_mutex.hpp"

#include <utility>

#include <pthread.h>

namespace coroscope::instrumentation::detail {
namespace {

constinit std::mutex listing;  // during a fork, too: nobody locks for the first time then
constinit fork_safe_mutex* first_mutex = nullptr;
constinit untold_part untold_fork;

}  // namespace

untold_part untold_part::begin() noexcept {
    untold_part made;
    made.listener_ = std::exchange(coroscope::detail::access_listener, nullptr);
    made.stretch_ = std::exchange(coroscope::detail::this_stretch.number, 0);
    return made;
}

void untold_part::end() const noexcept {
    coroscope::detail::access_listener = listener_;
    coroscope::detail::this_stretch.number = stretch_;
}

/// What the thread that forks does to all of them. In which order does not matter, since nobody
/// holds one and waits for another. The other process-wide locks of this component have more to do
/// in the new process, and see to themselves: those of the memory profiler, which all that
/// allocates waits for and which therefore are taken last, and that of the CPU profiler's threads.
class held_for_fork {
public:
    static void lock_all() noexcept {
        const auto began = untold_part::begin();
        listing.lock();
        untold_fork = began;
        for (auto* each = first_mutex; each != nullptr; each = each->next_) {
            each->mutex_.lock();
        }
    }
    static void unlock_all() noexcept {
        const auto ends = untold_fork;
        for (auto* each = first_mutex; each != nullptr; each = each->next_) {
            each->mutex_.unlock();
        }
        listing.unlock();
        ends.end();
    }
};

namespace {

/// Of handlers those for the time before a fork are called last to first: that of the runtime,
/// which comes with the first loop, before these, and that of the memory profiler after them.
[[gnu::constructor(102)]] void expect_forks() {
    ::pthread_atfork(&held_for_fork::lock_all, &held_for_fork::unlock_all,
                     &held_for_fork::unlock_all);
}

}  // namespace

void fork_safe_mutex::list() noexcept {
    const std::lock_guard lock(listing);
    if (is_listed_.load(std::memory_order_relaxed)) { return; }
    next_ = first_mutex;
    first_mutex = this;
    is_listed_.store(true, std::memory_order_release);
}

}  // namespace coroscope::instrumentation::detail
