// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/detail/queue_core.hpp>
#include <coroscope/runtime/error.hpp>

#include <cstddef>
#include <functional>
#include <utility>

namespace coroscope {

namespace detail {

template <class T, class Store>
class basic_queue;

template <class T, class Store>
class get_awaiter final : public queue_getter {
public:
    using result = T;
    get_awaiter(basic_queue<T, Store>& q, await_site where) noexcept
        : queue_getter(q.core_, where),
          store_(&q.store_) {}
    ~get_awaiter() override { abandon(); }

    T await_resume() {
        const bool was_free = claim();
        core_->note_item(access_kind::acquire, store_->next_to_go(), where_);
        T item = store_->pop();
        if (was_free) { core_->free_item_taken(); }
        return item;
    }

private:
    Store* store_;
};

template <class T, class Store>
class put_awaiter final : public queue_putter {
public:
    using result = void;
    put_awaiter(basic_queue<T, Store>& q, T&& item, await_site where)
        : queue_putter(q.core_, where),
          store_(&q.store_),
          item_(std::move(item)) {}
    ~put_awaiter() override { abandon(); }

    void await_resume() {
        claim();
        core_->note_item(access_kind::release, store_->next_to_come(), where_);
        try {
            store_->push(std::move(item_));
        } catch (...) {
            if (owns_place()) { core_->place_given_up(); }
            throw;
        }
        if (owns_place()) { core_->place_filled(); }
        core_->item_added();
    }

private:
    Store* store_;
    T item_;
};

/// What `put` returns: the item, on its way.
template <class T, class Store>
class [[nodiscard("nothing is put until this is awaited")]] put_request {
public:
    using coroscope_result = void;
    put_request(basic_queue<T, Store> & q, T && item, await_site where)
        : queue_(&q),
          item_(std::move(item)),
          where_(where) {}
    [[nodiscard]] put_awaiter<T, Store> coroscope_awaiter()&& {
        return put_awaiter<T, Store>(*queue_, std::move(item_), where_);
    }

private:
    basic_queue<T, Store>* queue_;
    T item_;
    await_site where_;
};

/// What the three kinds of queue have in common; see `queue`.
template <class T, class Store>
class basic_queue {
public:
    basic_queue(const basic_queue&) = delete;
    basic_queue& operator=(const basic_queue&) = delete;

    /// `co_await q.put(item)`: waits for room. Throws `queue_shutdown` if there will be none.
    [[nodiscard]] put_request<T, Store> put(T item, await_site where = await_site::current()) {
        return put_request<T, Store>(*this, std::move(item), where);
    }
    /// `T item = co_await q.get()`: waits for an item. Throws `queue_shutdown` if there is none
    /// and none will come.
    [[nodiscard]] auto get(await_site where = await_site::current()) noexcept {
        return wait_request<get_awaiter<T, Store>, basic_queue>(*this, where);
    }
    /// Puts now, or throws `queue_full` or `queue_shutdown`.
    void put_nowait(T item, await_site where = await_site::current()) {
        core_.expect_thread("queue::put_nowait");
        if (core_.is_shut_down()) { core_.throw_shut_down("put_nowait", where); }
        if (core_.full()) { core_.throw_full(); }
        core_.note_item(access_kind::release, store_.next_to_come(), where);
        store_.push(std::move(item));
        core_.item_added();
    }
    /// Gets now, or throws `queue_empty`, or `queue_shutdown` if it is empty for good.
    [[nodiscard]] T get_nowait(await_site where = await_site::current()) {
        core_.expect_thread("queue::get_nowait");
        if (core_.size() == 0) {
            if (core_.is_shut_down()) { core_.throw_shut_down("get_nowait", where); }
            core_.throw_empty(where);
        }
        core_.note_item(access_kind::acquire, store_.next_to_go(), where);
        T item = store_.pop();
        core_.free_item_taken();
        return item;
    }

    /// How many items `get_nowait` could get one after the other.
    [[nodiscard]] std::size_t size() const noexcept {
        core_.note(access_kind::test);
        return core_.size();
    }
    [[nodiscard]] bool empty() const noexcept { return size() == 0; }
    /// Whether `put` would wait.
    [[nodiscard]] bool full() const noexcept {
        core_.note(access_kind::test);
        return core_.full();
    }
    /// 0: unbounded.
    [[nodiscard]] std::size_t capacity() const noexcept { return core_.capacity(); }

    /// Whoever has got an item says that the work on it is done. `invalid_state_error` if that was
    /// said for every item before.
    void task_done() {
        core_.expect_thread("queue::task_done");
        core_.task_done();
    }
    /// `co_await q.join()`: waits until `task_done` was called for every item that was put.
    [[nodiscard]] auto join(await_site where = await_site::current()) noexcept {
        return wait_request<queue_join_awaiter, queue_core>(core_, where);
    }
    /// From now on `put` throws `queue_shutdown`, also for those who wait for room, and so does
    /// `get` once nothing is left. `immediate`: what is left is dropped, and counts as done.
    void shutdown(bool immediate = false) {
        core_.expect_thread("queue::shutdown");
        core_.shut_down(immediate, store_.size());
        if (immediate) { store_.clear(); }
    }
    [[nodiscard]] bool is_shut_down() const noexcept {
        core_.note(access_kind::test);
        return core_.is_shut_down();
    }

protected:
    explicit basic_queue(std::size_t capacity, Store store = Store())
        : store_(std::move(store)),
          core_(capacity) {}
    ~basic_queue() = default;

private:
    friend class get_awaiter<T, Store>;
    friend class put_awaiter<T, Store>;

    Store store_;
    queue_core core_;  // goes first, with those who wait
};

}  // namespace detail

/// Hands items from task to task, first in, first out.
///
///     coroscope::queue<int> numbers(10);
///     coroscope::coro<> produce() {
///         for (int i = 0; i < 100; ++i) { co_await numbers.put(i); }
///         numbers.shutdown();
///     }
///     coroscope::coro<> consume() {
///         for (;;) {
///             const int n = co_await numbers.get();
///             std::printf("%d\n", n);
///         }
///     }
///
/// `T` may be move-only and needs no default constructor. Capacity 0 means unbounded. Tasks that
/// wait are served first come, first served: an item that is put while one waits is that task's
/// from then on and no longer counts in `size`.
///
/// **Completes when** there is an item, or room for one: without suspending if there is already.
/// **Cancellation**: `get` has taken nothing and `put` has put nothing when `cancelled_error` is
/// thrown; what such a task was chosen for goes to the next. **Errors**: `queue_shutdown`.
/// **Thread safety**: the tasks and callbacks of one loop; from another thread
/// `call_soon_threadsafe` a `put_nowait`. **Lifetime**: outlives those who wait; needs no loop to
/// be made. **Cost**: no coroutine frame and no allocation but for the room that the items need,
/// which is kept.
template <class T>
class queue : public detail::basic_queue<T, detail::fifo_store<T>> {
public:
    explicit queue(std::size_t capacity = 0)
        : detail::basic_queue<T, detail::fifo_store<T>>(capacity) {}
};

/// A `queue` that gives the smallest item first, by `Compare`. Which one a waiting task gets shows
/// when it runs. Equal items come in no particular order.
template <class T, class Compare = std::less<>>
class priority_queue : public detail::basic_queue<T, detail::priority_store<T, Compare>> {
public:
    explicit priority_queue(std::size_t capacity = 0, Compare compare = Compare())
        : detail::basic_queue<T, detail::priority_store<T, Compare>>(
            capacity, detail::priority_store<T, Compare>(std::move(compare))) {}
};

/// A `queue` that gives the item first that was put last.
template <class T>
class lifo_queue : public detail::basic_queue<T, detail::lifo_store<T>> {
public:
    explicit lifo_queue(std::size_t capacity = 0)
        : detail::basic_queue<T, detail::lifo_store<T>>(capacity) {}
};

}  // namespace coroscope
