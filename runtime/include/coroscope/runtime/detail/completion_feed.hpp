// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/clock.hpp>
#include <coroscope/runtime/detail/wait_list.hpp>
#include <coroscope/runtime/handle.hpp>
#include <coroscope/runtime/task.hpp>

#include <coroutine>
#include <cstddef>
#include <deque>
#include <memory>
#include <vector>

namespace coroscope {

class loop;

namespace detail {

class feed_awaiter;

/// The tasks of an `as_completed` in the order in which they finish, and those who wait for one.
class completion_feed {
public:
    completion_feed(loop& in, std::vector<any_task> tasks, duration timeout, await_site where);
    completion_feed(const completion_feed&) = delete;
    completion_feed& operator=(const completion_feed&) = delete;
    ~completion_feed();

    [[nodiscard]] std::size_t remaining() const noexcept { return remaining_; }

private:
    friend class feed_awaiter;
    struct watch final : completion_waiter {
        completion_feed* feed = nullptr;
        std::size_t index = 0;
        void on_complete() noexcept override { feed->child_done(index); }
        void add_awaiting(std::vector<task_core*>& to) const override {
            feed->waiters_.for_each_waiting(
                [&to](const list_waiter& w) { to.push_back(&w.task()); });
        }
    };

    void watch_all();
    void child_done(std::size_t index) noexcept;
    void expire() noexcept;
    /// Nobody has to wait: one is there for the asking, or none will come.
    [[nodiscard]] bool has_answer() const noexcept {
        return !finished_.empty() || remaining_ == 0 || expired_;
    }
    /// Hands finished tasks to those who wait, as far as they go.
    void serve() noexcept;
    [[noreturn]] void throw_timeout() const;

    std::vector<any_task> tasks_;
    std::unique_ptr<watch[]> watches_;
    std::deque<any_task> finished_;  ///< not given yet, and to nobody's hands
    std::size_t remaining_ = 0;      ///< not given yet
    duration timeout_;
    timer_handle timer_;
    await_site created_at_;
    bool expired_ = false;
    wait_list waiters_;
};

/// Waits for the next finished task.
class feed_awaiter : public list_waiter {
public:
    explicit feed_awaiter(std::shared_ptr<completion_feed> feed) noexcept
        : feed_(std::move(feed)) {}

    [[nodiscard]] bool await_ready() const noexcept {
        note_change(&feed_->waiters_);  // a place in its line, unless there is an answer
        return feed_->has_answer();
    }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> suspended) {
        frame_base& frame = suspended.promise();
        enter(feed_->waiters_, frame, frame.site);
    }

protected:
    ~feed_awaiter() { settle(); }
    /// The finished task; an empty handle: all were given. Throws for a cancellation or a timeout.
    [[nodiscard]] any_task take();

private:
    friend class completion_feed;
    void pass_on() noexcept override;
    std::shared_ptr<completion_feed> feed_;
    any_task given_;
};

}  // namespace detail
}  // namespace coroscope
