// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/detail/callback.hpp>
#include <coroscope/runtime/handle.hpp>

#include <boost/asio/io_context.hpp>

#include <atomic>
#include <mutex>

namespace coroscope::detail {

/// What other threads send to a loop: a list of handles that the senders make. Outlives the loop
/// for their sake; closed with it.
class inbox {
public:
    inbox(boost::asio::io_context& io, loop_core& core) noexcept : io_(&io), core_(&core) {}

    /// Any thread. False if the loop is closed. `is_internal`: the library's own delivery, which
    /// runs when the mail is taken, not a user's callback.
    bool post(callback function, await_site where, bool is_internal);

    [[nodiscard]] bool has_mail() const noexcept {
        return pending_.load(std::memory_order_acquire);
    }
    /// Takes everything, linked by `next_mail`, oldest first; the loop's thread.
    [[nodiscard]] handle_state* take();
    /// Announces that the loop will block; false if there is mail. The loop's thread.
    [[nodiscard]] bool begin_sleep() noexcept;
    void end_sleep() noexcept { sleeping_.store(false, std::memory_order_relaxed); }
    /// No more mail; what is left is dropped here.
    void close();

private:
    void wake_locked();

    std::mutex mutex_;
    handle_state* first_ = nullptr;
    handle_state* last_ = nullptr;
    boost::asio::io_context* io_;  ///< null once closed
    loop_core* core_;
    std::atomic<bool> sleeping_{false};
    std::atomic<bool> pending_{false};
};

}  // namespace coroscope::detail
