// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/detail/frame_memory.hpp>
#include <coroscope/runtime/detail/task_core.hpp>

#include <concepts>
#include <coroutine>
#include <exception>
#include <utility>

namespace coroscope {

template <class T>
class coro;

namespace detail {

/// Adds one to the frame hook's bookkeeping when an observer wants it; see `observer::on_frame`.
void notify_frame(const void* memory, std::ptrdiff_t bytes) noexcept;
/// Destroys a coroutine that has not begun; see `remark_kind::never_awaited`.
void drop_unstarted(frame_base& frame) noexcept;
/// While a coroutine is destroyed that somebody dropped instead of awaiting it.
inline constinit thread_local bool drops_unawaited = false;
inline constinit thread_local bool frames_are_watched = false;
/// What to count for the frame that this thread allocated last; for its promise, which is built
/// next. See `task_record::memory_word`.
inline constinit thread_local std::uint64_t new_frame_word = 0;

/// Something that a `coro` can await: gives an awaiter whose `await_suspend` takes a handle to a
/// coroutine with a promise derived from `frame_base`. All awaitables of this library are.
template <class A>
concept has_awaiter = requires(A&& a) {
    std::forward<A>(a).coroscope_awaiter();
};

/// A frame that was awaited destroys itself at its end: its result lies in the awaiter already, and
/// to destroy it from there costs a sixth of an awaited call (the row await_chain_10). A task's
/// root stays, for the loop to destroy when the task does not count as running any more.
struct final_awaiter {
    bool is_awaited;
    [[nodiscard]] bool await_ready() const noexcept { return is_awaited; }
    void await_suspend(std::coroutine_handle<>) const noexcept {}
    void await_resume() const noexcept {}
};

template <class T>
class coro_awaiter;
struct coro_access;

/// `co_await unlisted(work)`, in a coroutine of the library's own that wraps a user's: listings and
/// stacks leave the frame that awaits out.
template <class T>
struct unlisted_coro;

/// A frame's size is known where it is allocated, its task where it is begun. Until then what to
/// count stands where the frame's parent will: each frame would be larger by a member of its own.
class promise_base : public frame_base {
public:
    promise_base() noexcept { parent = as_parent(new_frame_word); }

    [[nodiscard]] std::suspend_always initial_suspend() const noexcept { return {}; }
    [[nodiscard]] final_awaiter final_suspend() const noexcept {
        task->top = parent;
        return {parent != nullptr};
    }
    /// One at a time is on its way in a task: its place is in there.
    void unhandled_exception() noexcept { task->keep_exception(std::current_exception()); }

    template <class T>
    [[nodiscard]] coro_awaiter<T> await_transform(
        coro<T>&& child, await_site where = await_site::current()) noexcept;

    template <class T>
    [[nodiscard]] coro_awaiter<T> await_transform(unlisted_coro<T> child) noexcept;

    template <class A>
        requires has_awaiter<A>
    [[nodiscard]] auto await_transform(A&& awaitable, await_site where = await_site::current()) {
        site = where;
        return std::forward<A>(awaitable).coroscope_awaiter();
    }

    template <class A>
        requires(!has_awaiter<A>)
    void await_transform(A&&) {
        static_assert(has_awaiter<A>,
                      "a coroscope::coro can await coro<T>, task<T>, future<T> and the library's "
                      "awaitables; pass coroscope::use_coro to an Asio operation to await it, and "
                      "std::move a coro<T> that has a name");
    }

    [[nodiscard]] static void* operator new(std::size_t size) {
        auto* const memory = allocate_block(block_kind::frame, size);
        if (frames_are_watched) [[unlikely]] {
            notify_frame(memory, static_cast<std::ptrdiff_t>(size));
        }
        new_frame_word = task_record::memory_word::frame(size);
        return memory;
    }
    static void operator delete(void* memory, std::size_t size) noexcept {
        if (running_loop != nullptr && running_loop->current != nullptr) {
            running_loop->current->count_memory(-task_record::memory_word::blocks(size));
        }
        free_frame(memory, size);
    }

    /// The frame begins in `of`, awaited by `by`; null: it is the task's root. Returns what to
    /// count for it.
    [[nodiscard]] std::uint64_t begin_in(task_core& of, frame_base* by) noexcept {
        const auto word = reinterpret_cast<std::uintptr_t>(std::exchange(parent, by));
        task = &of;
        return word;
    }

protected:
    static void free_frame(void* memory, std::size_t size) noexcept {
        if (frames_are_watched) [[unlikely]] {
            notify_frame(memory, -static_cast<std::ptrdiff_t>(size));
        }
        release_block(block_kind::frame, memory, size);
    }

private:
    [[nodiscard]] static frame_base* as_parent(std::uint64_t word) noexcept {
        return reinterpret_cast<frame_base*>(word);  // NOLINT(performance-no-int-to-ptr)
    }
};

template <class T>
class promise final : public promise_base {
public:
    [[nodiscard]] coro<T> get_return_object() noexcept;
    template <class U = T>
        requires std::convertible_to<U&&, T>
    void return_value(U&& value) { result_->set(std::forward<U>(value)); }
    void put_result_into(result_slot<T>& slot) noexcept { result_ = &slot; }

private:
    result_slot<T>* result_ = nullptr;  ///< the awaiter's or the task's; set before the first step
};

template <>
class promise<void> final : public promise_base {
public:
    [[nodiscard]] coro<void> get_return_object() noexcept;
    void return_void() const noexcept {}
    void put_result_into(result_slot<void>&) const noexcept {}
};

}  // namespace detail

/// The return type of a coroutine function: work that has been described but not begun.
///
/// Lazy: nothing runs until it is awaited by another `coro`, or given to `loop::create_task`,
/// `gather` or `run`. Each may be done once, and consumes it. A `coro` dropped without that
/// destroys its arguments and never runs.
///
///     coroscope::coro<int> answer() { co_return 42; }
///     coroscope::coro<> ask() { const int n = co_await answer(); }
///
/// Awaiting: the awaiting coroutine is resumed by the loop right after this one ends, in the same
/// step if nothing suspended; depth is limited by memory only, never by the stack. An exception
/// that leaves the body is thrown at the `co_await`. Its arguments are gone by then: do not return
/// a reference or a view of one that was passed by value. **Thread safety**: an object belongs to
/// one thread at a time; it may be created in one and run in another.
template <class T = void>
class [[nodiscard("a coro does nothing until it is awaited or given to create_task")]] coro {
public:
    using promise_type = detail::promise<T>;
    using result_type = T;

    coro(coro && other) noexcept : frame_(std::exchange(other.frame_, nullptr)) {}
    coro& operator=(coro&& other) noexcept {
        if (this != &other) {
            destroy();
            frame_ = std::exchange(other.frame_, nullptr);
        }
        return *this;
    }
    ~coro() {
        destroy();
    }

    /// False once it was awaited, started as a task, or moved from.
    [[nodiscard]] bool valid() const noexcept {
        return frame_ != nullptr;
    }

private:
    template <class>
    friend class detail::promise;
    friend struct detail::coro_access;

    explicit coro(detail::frame_base * frame) noexcept : frame_(frame) {}
    void destroy() noexcept {
        if (frame_ != nullptr) { detail::drop_unstarted(*std::exchange(frame_, nullptr)); }
    }

    detail::frame_base* frame_;
};

namespace detail {

template <class C>
inline constexpr bool is_coro = false;
template <class T>
inline constexpr bool is_coro<coro<T>> = true;

/// Lets the library take the frame out of a `coro`.
struct coro_access {
    template <class T>
    [[nodiscard]] static frame_base* release(coro<T>& c) noexcept {
        return std::exchange(c.frame_, nullptr);
    }
    template <class T>
    [[nodiscard]] static coro<T> adopt(frame_base* frame) noexcept {
        return coro<T>(frame);
    }
};

[[noreturn]] void throw_empty_coro(await_site where);

/// Waits for a child, which destroys itself at its end. If the task is destroyed before, the child
/// need not be looked after here: `task_core::destroy_frames` begins with the innermost.
template <class T>
class [[nodiscard]] coro_awaiter {
public:
    explicit coro_awaiter(frame_base* child) noexcept : frame_(child) {}

    [[nodiscard]] bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> waiting) {
        frame_base& parent = waiting.promise();
        if (frame_ == nullptr) [[unlikely]] { throw_empty_coro(parent.site); }
        auto& child = static_cast<promise<T>&>(*std::exchange(frame_, &parent));
        parent.task->count_memory(child.begin_in(*parent.task, &parent));
        child.put_result_into(result_);
        parent.task->top = &child;
    }
    T await_resume() {
        frame_->task->throw_kept_exception();
        return std::move(result_).get();
    }

private:
    frame_base* frame_;  ///< the child; from its first step on, the parent
    [[no_unique_address]] result_slot<T> result_;
};

template <class T>
coro_awaiter<T> promise_base::await_transform(coro<T>&& child, await_site where) noexcept {
    site = where;
    return coro_awaiter<T>(coro_access::release(child));
}

template <class T>
struct unlisted_coro {
    frame_base* frame;
};
template <class T>
[[nodiscard]] unlisted_coro<T> unlisted(coro<T>& work) noexcept {
    return {coro_access::release(work)};
}
template <class T>
coro_awaiter<T> promise_base::await_transform(unlisted_coro<T> child) noexcept {
    site = {};
    return coro_awaiter<T>(child.frame);
}

template <class T>
coro<T> promise<T>::get_return_object() noexcept {
    static_assert(finds_its_coroutine<promise>);
    return coro<T>(this);
}

inline coro<void> promise<void>::get_return_object() noexcept {
    static_assert(finds_its_coroutine<promise>);
    return coro<void>(this);
}

template <class T>
inline constexpr task_operations operations_of = {
    typeid(T), [](task_core* task) noexcept {
        auto* state = static_cast<typed_task<T>*>(task);
        std::destroy_at(state);
        release_block(block_kind::task, &task->record(), task_record_bytes + sizeof(typed_task<T>));
    }};

/// Builds the task for a coroutine; the caller owns the loop's reference until `start_task`.
template <class T>
[[nodiscard]] typed_task<T>* make_typed_task(loop_core& core, coro<T>&& work, await_site where) {
    if (!work.valid()) [[unlikely]] { throw_empty_coro(where); }
    auto* block = static_cast<std::byte*>(
        allocate_block(block_kind::task, task_record_bytes + sizeof(typed_task<T>)));
    frame_base* root = coro_access::release(work);
    auto* state = ::new (static_cast<void*>(block + task_record_bytes))
        typed_task<T>(core, operations_of<T>, *root);
    auto& promised = *static_cast<promise<T>*>(root);
    state->record().memory.store(promised.begin_in(*state, nullptr), std::memory_order_relaxed);
    promised.put_result_into(state->result);
    return state;
}

}  // namespace detail
}  // namespace coroscope
