// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/detail/access_sink.hpp>
#include <coroscope/runtime/detail/callback.hpp>

#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace coroscope {
class loop;
}

namespace coroscope::detail {

class completion;
class task_core;

/// Somebody to be told, once, when a completion is done: a link in its list. Takes itself out of
/// the list when destroyed.
class completion_waiter {
public:
    completion_waiter() = default;
    completion_waiter(const completion_waiter&) = delete;
    completion_waiter& operator=(const completion_waiter&) = delete;

    virtual void on_complete() noexcept = 0;
    /// Adds the tasks that cannot go on before this is told, for call graphs; none by default.
    virtual void add_awaiting(std::vector<task_core*>& to) const { static_cast<void>(to); }

    [[nodiscard]] bool linked() const noexcept { return source_ != nullptr; }
    void unlink() noexcept {
        if (source_ != nullptr) { unlink_from(*source_); }
    }

protected:
    virtual ~completion_waiter() { unlink(); }

private:
    friend class completion;
    void unlink_from(completion& source) noexcept;
    completion* source_ = nullptr;
    completion_waiter* previous_ = nullptr;
    completion_waiter* next_ = nullptr;
};

/// What a cancellation with this message throws; null for an empty one: a plain `cancelled_error`.
[[nodiscard]] std::exception_ptr cancellation_of(std::string_view message) noexcept;

/// Whether it is a `cancelled_error`; null is none.
[[nodiscard]] bool is_cancellation(const std::exception_ptr& thrown) noexcept;

enum class completion_status : std::uint8_t { pending, value, exception, cancelled };

/// What tasks and futures have in common: an outcome that arrives once, and those who wait for it.
/// Used on the loop's thread only. Waiters are told in the order in which they came.
class completion {
public:
    completion() = default;
    completion(const completion&) = delete;
    completion& operator=(const completion&) = delete;

    [[nodiscard]] completion_status status() const noexcept { return status_; }
    [[nodiscard]] bool done() const noexcept {
        note_use(this, access_kind::test);
        return is_over();
    }
    /// `done()` for those to whom it makes no difference.
    [[nodiscard]] bool is_over() const noexcept { return status_ != completion_status::pending; }

    /// Makes of a done callback one that keeps the completion alive until it has run.
    using keeper = callback (*)(completion&, callback);
    /// Ends it: tells the waiters, schedules the done callbacks on `owner` (dropped if that is null
    /// or closed).
    void complete(completion_status status, std::exception_ptr exception, loop* owner,
                  keeper keep = nullptr) noexcept;

    void complete(completion_status status, loop* owner, keeper keep = nullptr) noexcept;
    /// The exception that `complete` without one will end it with.
    void keep_exception(std::exception_ptr exception) noexcept {
        exception_ = std::move(exception);
    }
    /// Throws what `keep_exception` was given, if anything, which is then not kept any more.
    void throw_kept_exception() {
        if (exception_) [[unlikely]] { std::rethrow_exception(std::exchange(exception_, nullptr)); }
    }

    void add_waiter(completion_waiter& waiter) noexcept {
        waiter.source_ = this;
        waiter.previous_ = last_;
        waiter.next_ = nullptr;
        (last_ != nullptr ? last_->next_ : first_) = &waiter;
        last_ = &waiter;
    }

    /// The tasks that wait for it, be it by way of futures, in the order in which they came.
    void collect_awaiting(std::vector<task_core*>& into) const;

    /// Runs through `owner`'s ready queue once done; at once scheduled if it is done already.
    void add_done_callback(callback done, loop* owner, await_site where);

    /// Throws what it ended with, if that was not a value; counts an exception as retrieved.
    void throw_unless_value(const char* what) {
        if (access_listener != nullptr) [[unlikely]] { note_look(); }
        if (status_ != completion_status::value) [[unlikely]] { throw_why_not(what); }
    }
    [[nodiscard]] const std::exception_ptr& exception() const noexcept { return exception_; }
    void mark_retrieved() noexcept { retrieved_ = true; }
    [[nodiscard]] bool lost_exception() const noexcept {
        return status_ == completion_status::exception && !retrieved_;
    }

protected:
    ~completion() {
        if (first_ != nullptr) [[unlikely]] { unlink_waiters(); }
    }

private:
    friend class completion_waiter;
    void unlink_waiters() noexcept;
    void note_look() const noexcept;
    [[noreturn]] void throw_why_not(const char* what);
    void schedule_callbacks(loop* owner, keeper keep) noexcept;
    struct done_callback {
        callback function;
        await_site where;
    };

    completion_waiter* first_ = nullptr;
    completion_waiter* last_ = nullptr;
    std::unique_ptr<std::vector<done_callback>> callbacks_;
    std::exception_ptr exception_;
    // Last, so that a derived class's first small member shares their cache line.
    completion_status status_ = completion_status::pending;
    bool retrieved_ = false;
};

}  // namespace coroscope::detail
