// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/detail/access_sink.hpp>

#include <atomic>
#include <cstdint>
#include <mutex>

namespace coroscope::instrumentation::detail {

/// What a thread does in here is nobody's access, as with `own_accesses`, from one function to
/// another. Else, whoever is told of an allocation or of a lock might lock one of these mutexes
/// while this thread holds another one.
class untold_part {
public:
    constexpr untold_part() noexcept = default;
    [[nodiscard]] static untold_part begin() noexcept;
    void end() const noexcept;

private:
    coroscope::detail::access_sink* listener_ = nullptr;
    std::uint64_t stretch_ = 0;
};

/// A mutex of the whole process. A fork waits until nobody holds it: the new process has none of
/// the other threads, so that it would wait for ever for what one of them held, and what is
/// protected would be left there half done.
///
/// Whoever holds one of them locks no other one and none of the runtime's, runs no code of a user's
/// and does not fork. Whoever holds one of the runtime's may lock one of these.
/// **Thread safety**: as a `std::mutex`. **Lifetime**: static, and without a constructor or
/// destructor that runs.
class fork_safe_mutex {
public:
    constexpr fork_safe_mutex() noexcept = default;
    fork_safe_mutex(const fork_safe_mutex&) = delete;
    fork_safe_mutex& operator=(const fork_safe_mutex&) = delete;

    void lock() noexcept {
        const auto began = untold_part::begin();
        if (!is_listed_.load(std::memory_order_acquire)) { list(); }
        mutex_.lock();
        untold_ = began;
    }
    void unlock() noexcept {
        const auto ends = untold_;
        mutex_.unlock();
        ends.end();
    }

private:
    friend class held_for_fork;
    void list() noexcept;

    std::mutex mutex_;
    std::atomic<bool> is_listed_{false};
    fork_safe_mutex* next_ = nullptr;  ///< of those that were ever locked
    untold_part untold_;               ///< of whoever holds it
};

}  // namespace coroscope::instrumentation::detail
