// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/detail/wait_list.hpp>

namespace coroscope {

class event;

namespace detail {

class event_awaiter final : public list_waiter {
public:
    using result = void;
    event_awaiter(event& e, await_site where) noexcept : event_(&e), where_(where) {}

    [[nodiscard]] bool await_ready() const noexcept;
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> suspended) {
        suspend(suspended.promise());
    }
    void await_resume() {
        finish();
        note_passage(event_, where_);
    }

private:
    void suspend(frame_base& frame);
    [[nodiscard]] bool outlives_object() const noexcept override { return true; }

    event* event_;
    await_site where_;
};

}  // namespace detail

/// Something that has happened, or not yet, for any number of tasks to wait for.
///
///     coroscope::event ready;
///     coroscope::coro<> worker() {
///         co_await ready.wait();
///     }
///     // elsewhere: ready.set();
///
/// **Completes when** it is set: without suspending if it is. Whoever waits when `set` is called
/// goes on, also if `clear` follows at once. **Cancellation**: the wait ends with
/// `cancelled_error`.
/// **Thread safety**: the tasks and callbacks of one loop. **Lifetime**: outlives those who wait;
/// may be destroyed right after `set`. **Cost**: no allocation.
class event {
public:
    event() = default;
    event(const event&) = delete;
    event& operator=(const event&) = delete;
    ~event() = default;

    [[nodiscard]] auto wait(await_site where = await_site::current()) noexcept {
        return detail::wait_request<detail::event_awaiter, event>(*this, where);
    }
    /// Wakes all who wait, in the order in which they came.
    void set();
    /// From now on `wait` waits.
    void clear() noexcept {
        detail::note_change(this);
        set_ = false;
    }
    [[nodiscard]] bool is_set() const noexcept {
        detail::note_use(this, detail::access_kind::test);
        return set_;
    }

private:
    friend class detail::event_awaiter;
    detail::wait_list waiters_{wait_kind::event, edge_kind::event};
    bool set_ = false;
};

inline bool detail::event_awaiter::await_ready() const noexcept {
    return event_->is_set();
}

}  // namespace coroscope
