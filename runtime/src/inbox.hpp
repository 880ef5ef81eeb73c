// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/detail/callback.hpp>

#include <boost/asio/io_context.hpp>

#include <atomic>
#include <mutex>
#include <vector>

namespace coroscope::detail {

/// What other threads send to a loop. Outlives the loop for their sake; closed with it.
class inbox {
public:
    struct item {
        callback function;
        await_site where;
        bool is_internal;  ///< the library's own delivery, not a user's callback
    };

    explicit inbox(boost::asio::io_context& io) noexcept : io_(&io) {}

    /// Any thread. False if the loop is closed.
    bool post(item&& mail);
    /// Wakes the loop if it sleeps. Any thread.
    void wake();

    [[nodiscard]] bool has_mail() const noexcept {
        return pending_.load(std::memory_order_acquire);
    }
    /// Takes everything; the loop's thread. `into` must be empty.
    void take(std::vector<item>& into);
    /// Announces that the loop will block; false if there is mail. The loop's thread.
    [[nodiscard]] bool begin_sleep();
    void end_sleep();
    /// No more mail; what is left is dropped here.
    void close();

private:
    void wake_locked();

    std::mutex mutex_;
    std::vector<item> items_;
    boost::asio::io_context* io_;  ///< null once closed
    bool sleeping_ = false;
    std::atomic<bool> pending_{false};
};

}  // namespace coroscope::detail
