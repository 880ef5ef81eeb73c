// SPDX-License-Identifier: Apache-2.0
#include "inbox.hpp"

#include <coroscope/runtime/detail/access_sink.hpp>
#include <coroscope/runtime/detail/job_follower.hpp>
#include <coroscope/runtime/detail/loop_core.hpp>

#include <boost/asio/post.hpp>

#include <utility>

namespace coroscope::detail {

namespace {

/// Whoever wants to know is told when it arrives.
[[nodiscard]] callback followed(callback function) {
    auto post = job_listener->post();
    if (post == nullptr) { return function; }
    return [post = std::move(post), inner = std::move(function)]() mutable {
        post->deliver();
        inner();
    };
}

}  // namespace

bool inbox::post(callback function, await_site where, bool is_internal) {
    if (job_listener != nullptr) [[unlikely]] { function = followed(std::move(function)); }
    auto* mail = new handle_state(*core_, std::move(function), 0, where);
    mail->is_internal = is_internal;
    const bool is_foreign = running_loop != nullptr && running_loop != core_;
    if (!is_internal && !is_foreign) { note_use(mail, access_kind::release, where); }
    {
        const std::scoped_lock lock(mutex_);
        if (io_ != nullptr) {
            (last_ != nullptr ? last_->next_mail : first_) = mail;
            last_ = mail;
            pending_.store(true);
            wake_locked();
            return true;
        }
    }
    mail->release();
    return false;
}

void inbox::wake_locked() {
    if (sleeping_.exchange(false)) {
        boost::asio::post(*io_, [] {});  // makes run_one return
    }
}

handle_state* inbox::take() {
    const std::scoped_lock lock(mutex_);
    pending_.store(false, std::memory_order_relaxed);
    last_ = nullptr;
    return std::exchange(first_, nullptr);
}

// Either the sender sees the loop asleep, or the loop sees the mail: the two flags are written and
// then read across in one total order.
bool inbox::begin_sleep() noexcept {
    sleeping_.store(true);
    if (!pending_.load()) { return true; }
    end_sleep();
    return false;
}

void inbox::close() {
    std::unique_lock lock(mutex_, std::defer_lock);
    // In a forked process nobody else is there, and a thread of the parent may have had the lock.
    if (!core_->is_copy) { lock.lock(); }
    io_ = nullptr;
    last_ = nullptr;
    pending_.store(false);
    auto* mail = std::exchange(first_, nullptr);
    if (lock.owns_lock()) { lock.unlock(); }
    while (mail != nullptr) {
        auto* const dropped = std::exchange(mail, mail->next_mail);
        dropped->loop = nullptr;
        dropped->release();
    }
}

bool post_mail(inbox& to, callback f, await_site where) {
    return to.post(std::move(f), where, true);
}

}  // namespace coroscope::detail
