// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/detail/completion_feed.hpp>

#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>

#include <chrono>
#include <stdexcept>
#include <string>
#include <unordered_set>
#include <utility>

namespace coroscope::detail {

completion_feed::completion_feed(loop& in, std::vector<any_task> tasks, duration timeout,
                                 await_site where)
    : tasks_(std::move(tasks)),
      timeout_(timeout),
      created_at_(where),
      waiters_(wait_kind::group, edge_kind::join) {
    for (const auto& t : tasks_) {
        if (!t.valid()) {
            throw std::invalid_argument("as_completed was given an empty task handle at "
                                        + to_string(where)
                                        + "; give it tasks that create_task returned");
        }
        if (t.core().loop != &in.core()) {
            throw invalid_state_error("a task of another loop was given to as_completed at "
                                      + to_string(where) + "; tasks belong to one loop");
        }
    }
    watch_all();
    if (remaining_ != 0 && timeout != duration::max()) {
        timer_ = in.call_later(
            timeout, [this] { expire(); }, where);
    }
}

completion_feed::~completion_feed() {
    timer_.cancel();
}

void completion_feed::watch_all() {
    std::unordered_set<const task_core*> seen;
    watches_ = std::make_unique<watch[]>(tasks_.size());
    for (std::size_t i = 0; i < tasks_.size(); ++i) {
        auto& child = tasks_[i].core();
        if (!seen.insert(&child).second) { continue; }
        ++remaining_;
        watches_[i].feed = this;
        watches_[i].index = i;
        if (child.done()) {
            finished_.push_back(tasks_[i]);
        } else {
            child.add_waiter(watches_[i]);
        }
    }
}

void completion_feed::child_done(std::size_t index) noexcept {
    note_use(&waiters_, access_kind::release);
    if (expired_) { return; }
    finished_.push_back(tasks_[index]);
    serve();
}

void completion_feed::expire() noexcept {
    note_change(&waiters_);
    expired_ = true;
    while (waiters_.wake_first() != nullptr) {}
}

void completion_feed::serve() noexcept {
    while (!finished_.empty() && !waiters_.empty()) {
        auto& waiter = static_cast<feed_awaiter&>(*waiters_.first());
        waiter.given_ = std::move(finished_.front());
        finished_.pop_front();
        auto& core = *waiter.task().loop;
        if (core.wants(hook::edge)) [[unlikely]] {
            core.notify_edge(edge_kind::join, waiter.given_.id(), waiter.task().id());
        }
        waiters_.wake_first();
    }
}

void completion_feed::throw_timeout() const {
    const auto seconds = std::chrono::duration<double>(timeout_).count();
    throw timeout_error(std::to_string(remaining_) + " of " + std::to_string(tasks_.size())
                        + " tasks did not finish within " + std::to_string(seconds)
                        + " s (as_completed at " + to_string(created_at_) + ")");
}

void feed_awaiter::pass_on() noexcept {
    if (!given_.valid()) { return; }
    note_change(&feed_->waiters_);
    feed_->finished_.push_front(std::move(given_));
    feed_->serve();
}

any_task feed_awaiter::take() {
    auto& feed = *feed_;
    finish();
    note_use(&feed.waiters_, access_kind::acquire);
    if (!given_.valid() && !feed.finished_.empty()) {
        given_ = std::move(feed.finished_.front());
        feed.finished_.pop_front();
    }
    if (!given_.valid()) {
        if (feed.remaining_ != 0) { feed.throw_timeout(); }
        return {};
    }
    if (--feed.remaining_ == 0) {
        feed.timer_.cancel();
        while (feed.waiters_.wake_first() != nullptr) {  // nothing is left for those who still wait
        }
    }
    return std::move(given_);
}

}  // namespace coroscope::detail
