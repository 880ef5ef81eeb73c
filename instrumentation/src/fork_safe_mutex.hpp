// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <mutex>

namespace coroscope::instrumentation::detail {

/// A mutex of the whole process. A fork waits until nobody holds it: the new process has none of
/// the other threads, so that it would wait for ever for what one of them held, and what is
/// protected would be left there half done.
///
/// Whoever holds one of them locks no other one and none of the runtime's, runs no code of a user's
/// and does not fork.
/// **Thread safety**: as a `std::mutex`. **Lifetime**: static, and without a constructor or
/// destructor that runs.
class fork_safe_mutex {
public:
    constexpr fork_safe_mutex() noexcept = default;
    fork_safe_mutex(const fork_safe_mutex&) = delete;
    fork_safe_mutex& operator=(const fork_safe_mutex&) = delete;

    void lock() {
        if (!is_listed_.load(std::memory_order_acquire)) { list(); }
        mutex_.lock();
    }
    void unlock() noexcept { mutex_.unlock(); }

private:
    friend class held_for_fork;
    void list();

    std::mutex mutex_;
    std::atomic<bool> is_listed_{false};
    fork_safe_mutex* next_ = nullptr;  ///< of those that were ever locked
};

}  // namespace coroscope::instrumentation::detail
