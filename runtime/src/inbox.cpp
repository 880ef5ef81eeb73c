// SPDX-License-Identifier: Apache-2.0
#include "inbox.hpp"

#include <coroscope/runtime/detail/loop_core.hpp>

#include <boost/asio/post.hpp>

#include <utility>

namespace coroscope::detail {

bool inbox::post(item&& mail) {
    const std::scoped_lock lock(mutex_);
    if (io_ == nullptr) { return false; }
    items_.push_back(std::move(mail));
    pending_.store(true, std::memory_order_release);
    wake_locked();
    return true;
}

void inbox::wake() {
    const std::scoped_lock lock(mutex_);
    if (io_ != nullptr) { wake_locked(); }
}

void inbox::wake_locked() {
    if (sleeping_) {
        sleeping_ = false;
        boost::asio::post(*io_, [] {});  // makes run_one return
    }
}

void inbox::take(std::vector<item>& into) {
    const std::scoped_lock lock(mutex_);
    std::swap(items_, into);
    pending_.store(false, std::memory_order_relaxed);
}

bool inbox::begin_sleep() {
    const std::scoped_lock lock(mutex_);
    sleeping_ = items_.empty();
    return sleeping_;
}

void inbox::end_sleep() {
    const std::scoped_lock lock(mutex_);
    sleeping_ = false;
}

void inbox::close() {
    std::vector<item> dropped;
    const std::scoped_lock lock(mutex_);
    io_ = nullptr;
    std::swap(items_, dropped);
    pending_.store(false, std::memory_order_relaxed);
}

bool post_mail(inbox& to, callback f, await_site where) {
    return to.post({std::move(f), where, true});
}

}  // namespace coroscope::detail
