// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/detail/wait_list.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace coroscope::detail {

class queue_core;

/// One that waits for an item or for room.
class queue_waiter : public list_waiter {
public:
    /// Chosen by `shutdown`: there is nothing for it.
    void refuse() noexcept { refused_ = true; }
    [[nodiscard]] task_core* cancel_wait() noexcept override;

protected:
    queue_waiter(queue_core& core, await_site where) noexcept : core_(&core), where_(where) {}
    ~queue_waiter() override = default;
    [[nodiscard]] bool refused() const noexcept { return refused_; }
    void enter_list(wait_list& list, frame_base& frame);

    queue_core* core_;
    await_site where_;

private:
    bool refused_ = false;
};

/// A queue without its items: who waits, and how many items there are.
///
/// An item that is put while a task waits for one belongs to that task from then on, but which item
/// that is shows when the task runs: it takes what comes out first. In the same way a task that
/// waits for room gets a place when there is one, and fills it when it runs. So a task that is
/// cancelled in between has taken nothing and put nothing; `pass_on` gives its claim to the next.
class queue_core {
public:
    explicit queue_core(std::size_t capacity) noexcept : capacity_(capacity) {}

    /// Items that belong to nobody yet.
    [[nodiscard]] std::size_t size() const noexcept { return free_items_; }
    [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
    [[nodiscard]] bool full() const noexcept {
        return capacity_ != 0 && free_items_ + places_taken_ >= capacity_;
    }
    [[nodiscard]] bool is_shut_down() const noexcept { return shut_down_; }
    /// Shut down, and what it held was dropped.
    [[nodiscard]] bool is_drained() const noexcept { return drained_; }
    [[nodiscard]] std::size_t unfinished() const noexcept { return unfinished_; }

    void item_added() noexcept {
        ++unfinished_;
        item_is_free();
        if (!putters_.empty()) [[unlikely]] { give_places(); }
    }
    void free_item_taken() noexcept {
        --free_items_;
        if (!putters_.empty()) { give_places(); }
    }
    /// There is an item that belongs to nobody.
    void item_is_free() noexcept {
        if (getters_.wake_first() == nullptr) { ++free_items_; }
    }
    /// A place was filled, or its owner does without.
    void place_given_up() noexcept {
        --places_taken_;
        if (!putters_.empty()) { give_places(); }
    }
    void place_filled() noexcept { --places_taken_; }

    void task_done();
    /// Somebody looks whether all is done.
    void note_join() const noexcept;
    void shut_down(bool immediate, std::size_t stored) noexcept;
    void identify(loop_core& core) noexcept;
    void expect_thread(const char* what) const {
        getters_.expect_thread(what);
        putters_.expect_thread(what);
        finished_.expect_thread(what);
    }
    [[noreturn]] void throw_full() const;
    [[noreturn]] void throw_empty(await_site where) const;
    [[noreturn]] void throw_shut_down(const char* what, await_site where) const;

    /// All uses are noted by the address of the getters' list; whether all is done also by that of
    /// those who wait for it.
    void note(access_kind kind, await_site where = {}) const noexcept {
        note_use(&getters_, kind, where);
    }
    /// Who waited goes on, whatever comes of it. By the address alone: the queue may be gone.
    void note_claim(await_site where) const noexcept { note_change(&getters_, where); }
    /// The item with this number comes or goes; see where items are kept.
    void note_item(access_kind kind, std::uint64_t number, await_site where) const noexcept {
        note_one(&getters_, kind, number, where);
    }

    [[nodiscard]] wait_list& getters() noexcept { return getters_; }
    [[nodiscard]] wait_list& putters() noexcept { return putters_; }
    [[nodiscard]] wait_list& joining() noexcept { return finished_; }

private:
    void give_places() noexcept;

    std::size_t capacity_;
    std::size_t free_items_ = 0;
    std::size_t places_taken_ = 0;  ///< by putters that were chosen and have not run since
    std::size_t unfinished_ = 0;
    bool shut_down_ = false;
    bool drained_ = false;
    wait_list getters_{wait_kind::queue, edge_kind::queue};
    wait_list putters_{wait_kind::queue, edge_kind::queue};
    wait_list finished_{wait_kind::queue, edge_kind::queue};
};

class queue_getter : public queue_waiter {
public:
    [[nodiscard]] bool await_ready() const noexcept {
        return core_->size() > 0 || core_->is_shut_down();
    }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> suspended) {
        enter_list(core_->getters(), suspended.promise());
    }

protected:
    using queue_waiter::queue_waiter;
    ~queue_getter() override = default;
    /// The first part of `await_resume`: throws unless there is an item to take. True: an item
    /// that belonged to nobody.
    bool claim() {
        core_->note_claim(where_);
        if (!waited()) [[likely]] {
            if (core_->size() == 0) [[unlikely]] { core_->throw_shut_down("get", where_); }
            return true;
        }
        finish();
        if (refused() || core_->is_drained()) [[unlikely]] {
            core_->throw_shut_down("get", where_);
        }
        return false;
    }

private:
    void pass_on() noexcept override;
};

class queue_putter : public queue_waiter {
public:
    [[nodiscard]] bool await_ready() const noexcept {
        return !core_->full() || core_->is_shut_down();
    }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> suspended) {
        enter_list(core_->putters(), suspended.promise());
    }

protected:
    using queue_waiter::queue_waiter;
    ~queue_putter() override = default;
    /// The first part of `await_resume`: throws unless there is a place.
    void claim() {
        core_->note_claim(where_);
        if (waited()) { finish(); }
        if (core_->is_shut_down()) [[unlikely]] { core_->throw_shut_down("put", where_); }
    }
    [[nodiscard]] bool owns_place() const noexcept { return waited(); }

private:
    void pass_on() noexcept override;
};

/// Waits until every item was reported as done.
class queue_join_awaiter final : public queue_waiter {
public:
    using result = void;
    queue_join_awaiter(queue_core& core, await_site where) noexcept
        : queue_waiter(core, where),
          joined_(&core.joining()) {}
    ~queue_join_awaiter() override { abandon(); }

    [[nodiscard]] bool await_ready() const noexcept {
        core_->note_join();
        return core_->unfinished() == 0;
    }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> suspended) {
        enter_list(core_->joining(), suspended.promise());
    }
    void await_resume() {
        finish();
        note_passage(joined_);
    }

private:
    [[nodiscard]] bool outlives_object() const noexcept override { return true; }

    const wait_list* joined_;  ///< its address alone, once it has waited
};

// --- Where items are kept: `push`, `pop`, `clear`, `size`; and which number the next one to come,
// or to go, has in the order of their coming, 0 where that is not known.

/// First in, first out: a ring that grows, and allocates for nothing else.
template <class T>
class fifo_store {
public:
    void push(T&& item) {
        if (count_ == ring_.size()) [[unlikely]] { grow(); }
        ring_[(first_ + count_) & (ring_.size() - 1)].emplace(std::move(item));
        ++count_;
        ++came_;
    }
    [[nodiscard]] T pop() {
        auto& slot = ring_[first_];
        T item = *std::move(slot);
        slot.reset();
        first_ = (first_ + 1) & (ring_.size() - 1);
        --count_;
        return item;
    }
    void clear() noexcept {
        ring_.clear();
        first_ = 0;
        count_ = 0;
    }
    [[nodiscard]] std::size_t size() const noexcept { return count_; }
    [[nodiscard]] std::uint64_t next_to_come() const noexcept { return came_ + 1; }
    [[nodiscard]] std::uint64_t next_to_go() const noexcept { return came_ - count_ + 1; }

private:
    void grow() {
        std::vector<std::optional<T>> larger(std::max<std::size_t>(8, 2 * ring_.size()));
        for (std::size_t i = 0; i < count_; ++i) {
            larger[i].emplace(std::move_if_noexcept(*ring_[(first_ + i) & (ring_.size() - 1)]));
        }
        ring_ = std::move(larger);
        first_ = 0;
    }

    std::vector<std::optional<T>> ring_;  // a power of two of them
    std::size_t first_ = 0;
    std::size_t count_ = 0;
    std::uint64_t came_ = 0;
};

/// Last in, first out.
template <class T>
class lifo_store {
public:
    void push(T&& item) { items_.push_back(std::move(item)); }
    [[nodiscard]] T pop() {
        T item = std::move(items_.back());
        items_.pop_back();
        return item;
    }
    void clear() noexcept { items_.clear(); }
    [[nodiscard]] std::size_t size() const noexcept { return items_.size(); }
    [[nodiscard]] static std::uint64_t next_to_come() noexcept { return 0; }
    [[nodiscard]] static std::uint64_t next_to_go() noexcept { return 0; }

private:
    std::vector<T> items_;
};

/// The smallest first: a heap.
template <class T, class Compare>
class priority_store {
public:
    priority_store() = default;
    explicit priority_store(Compare compare) : compare_(std::move(compare)) {}

    void push(T&& item) {
        items_.push_back(std::move(item));
        std::push_heap(items_.begin(), items_.end(), order());
    }
    [[nodiscard]] T pop() {
        std::pop_heap(items_.begin(), items_.end(), order());
        T item = std::move(items_.back());
        items_.pop_back();
        return item;
    }
    void clear() noexcept { items_.clear(); }
    [[nodiscard]] std::size_t size() const noexcept { return items_.size(); }
    [[nodiscard]] static std::uint64_t next_to_come() noexcept { return 0; }
    [[nodiscard]] static std::uint64_t next_to_go() noexcept { return 0; }

private:
    [[nodiscard]] auto order() {
        return [this](const T& a, const T& b) {
            return static_cast<bool>(compare_(b, a));
        };
    }
    std::vector<T> items_;
    [[no_unique_address]] Compare compare_{};
};

}  // namespace coroscope::detail
