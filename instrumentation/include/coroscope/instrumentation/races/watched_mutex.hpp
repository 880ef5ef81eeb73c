// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/instrumentation/detail/annotation.hpp>

#include <mutex>

namespace coroscope::instrumentation {

/// A `std::mutex` that a race detector sees, for variables that executor threads and the loop
/// share.
///
///     std::scoped_lock lock(mutex);
///     total.set(total.get() + part);
///
/// **Thread safety**: as a `std::mutex`. **Cost**: as one; with nobody listening on the thread, a
/// load and a branch more.
class watched_mutex {
public:
    watched_mutex() = default;
    watched_mutex(const watched_mutex&) = delete;
    watched_mutex& operator=(const watched_mutex&) = delete;

    void lock(await_site where = await_site::current()) {
        mutex_.lock();
        tell(detail::thread_lock::take, where);
    }
    [[nodiscard]] bool try_lock(await_site where = await_site::current()) {
        if (!mutex_.try_lock()) { return false; }
        tell(detail::thread_lock::take, where);
        return true;
    }
    void unlock() {
        tell(detail::thread_lock::give_back, {});
        mutex_.unlock();
    }

private:
    void tell(detail::thread_lock how, await_site where) const noexcept {
        if (detail::annotation_listener != nullptr) [[unlikely]] {
            detail::annotation_listener->on_thread_lock(this, how, where);
        }
    }
    std::mutex mutex_;
};

}  // namespace coroscope::instrumentation
