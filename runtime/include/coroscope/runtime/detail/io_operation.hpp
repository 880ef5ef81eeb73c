// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/detail/task_core.hpp>

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>

#include <atomic>
#include <coroutine>
#include <exception>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace coroscope::detail {

/// A signal that is used again and again; see the source.
struct reused_signal {
    boost::asio::cancellation_signal signal;
    reused_signal* next = nullptr;
};
[[nodiscard]] reused_signal* take_signal();
void give_back_signal(reused_signal* used) noexcept;

/// What an Asio operation and the coroutine that awaits it share. Counted, because either may go
/// first: the operation completes, or the frame is destroyed.
class io_state_base {
public:
    explicit io_state_base(task_core& task)
        : loop(task.loop),
          waiting(&task),
          mail_(task.loop->mail.get()) {}
    io_state_base(const io_state_base&) = delete;
    io_state_base& operator=(const io_state_base&) = delete;

    void add_reference() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
    void release() noexcept {
        // The last owner need not tell anybody: half of all releases cost no locked instruction.
        if (references_.load(std::memory_order_acquire) == 1
            || references_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
            destroy();
        }
    }

    /// The operation has ended and its result is in place: wakes the task from whatever thread.
    void completed() {
        if (running_loop == loop) [[likely]] {
            deliver();
        } else {
            deliver_through_mail();
        }
    }
    /// The awaiting frame goes away, or its task is cancelled.
    void abandon() noexcept {
        if (waiting != nullptr) [[unlikely]] { leave(); }
    }
    void request_cancellation() noexcept;

    [[nodiscard]] boost::asio::cancellation_slot slot() const noexcept {
        return signal_->signal.slot();
    }

    loop_core* loop;
    task_core* waiting;  ///< null once the frame is gone; the loop's thread only
    bool cancel_requested = false;
    bool aborted = false;  ///< it ended with operation_aborted

    struct releaser {
        void operator()(io_state_base* state) const noexcept { state->release(); }
    };

protected:
    virtual ~io_state_base() { give_back_signal(signal_); }

private:
    virtual void destroy() noexcept = 0;
    void deliver() noexcept;
    void deliver_through_mail();
    void leave() noexcept;

    inbox* mail_;  ///< null once the frame is gone; other threads look at it under a lock
    reused_signal* signal_ = take_signal();
    std::atomic<std::uint32_t> references_{2};  // the frame's and the operation's
};

template <class... Args>
class io_state final : public io_state_base {
public:
    using io_state_base::io_state_base;
    std::optional<std::tuple<std::decay_t<Args>...>> result;

    [[nodiscard]] static void* operator new(std::size_t size) {
        return allocate_block(block_kind::frame, size);
    }
    static void operator delete(void* memory, std::size_t size) noexcept {
        release_block(block_kind::frame, memory, size);
    }

private:
    void destroy() noexcept override { delete this; }
};

/// Whether the first argument of a completion says that the operation was cancelled.
template <class First>
[[nodiscard]] bool is_abortion(const First&) noexcept {
    return false;
}
[[nodiscard]] inline bool is_abortion(const boost::system::error_code& error) noexcept {
    return error == boost::asio::error::operation_aborted;
}
/// What an awaitable that was cancelled ends with.
[[nodiscard]] bool is_abortion(const std::exception_ptr& thrown) noexcept;
template <class... Rest>  // what `as_tuple` makes of the arguments
[[nodiscard]] bool is_abortion(
    const std::tuple<boost::system::error_code, Rest...>& arguments) noexcept {
    return is_abortion(std::get<0>(arguments));
}

/// Gives Asio the slabs' memory for its operations: its own recycling works inside
/// `io_context::run` only, and our operations start outside. **Thread safety**: any thread.
template <class T>
class block_allocator {
public:
    using value_type = T;
    block_allocator() = default;
    template <class U>
    block_allocator(const block_allocator<U>&) noexcept {}  // NOLINT(google-explicit-constructor)

    [[nodiscard]] T* allocate(std::size_t count) requires(!std::is_void_v<T>) {
        return static_cast<T*>(allocate_block(block_kind::frame, count * sizeof(T)));
    }
    void deallocate(T* memory, std::size_t count) noexcept requires(!std::is_void_v<T>) {
        release_block(block_kind::frame, memory, count * sizeof(T));
    }
    friend bool operator==(const block_allocator&, const block_allocator&) noexcept { return true; }
};

/// The completion handler that is handed to Asio.
template <class... Args>
class io_handler {
public:
    using cancellation_slot_type = boost::asio::cancellation_slot;
    using allocator_type = block_allocator<void>;

    /// Takes over the operation's reference.
    explicit io_handler(io_state<Args...>& state) noexcept : state_(&state) {}
    io_handler(io_handler&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
    io_handler(const io_handler& other) noexcept : state_(other.state_) {
        if (state_ != nullptr) { state_->add_reference(); }
    }
    io_handler& operator=(io_handler other) noexcept {
        std::swap(state_, other.state_);
        return *this;
    }
    ~io_handler() {
        if (state_ != nullptr) { state_->release(); }
    }

    [[nodiscard]] allocator_type get_allocator() const noexcept { return {}; }
    [[nodiscard]] cancellation_slot_type get_cancellation_slot() const noexcept {
        return state_->slot();
    }

    template <class... Results>
    void operator()(Results&&... results) {
        state_->result.emplace(std::forward<Results>(results)...);
        if constexpr (sizeof...(Args) > 0) {
            // Only looked at after a request to cancel.
            state_->aborted = state_->cancel_requested && is_abortion(std::get<0>(*state_->result));
        }
        state_->completed();
    }

private:
    io_state<Args...>* state_;
};

/// Turns a completion signature's arguments into a result or an exception.
template <class First, class... Rest>
auto unpack_io_result(std::tuple<First, Rest...>&& all) {
    const auto rest = [&]<class... T>(T&&... values) {
        if constexpr (sizeof...(T) == 1) {
            return (std::forward<T>(values), ...);
        } else if constexpr (sizeof...(T) > 1) {
            return std::tuple<std::decay_t<T>...>(std::forward<T>(values)...);
        }
    };
    const auto without_first = [&](auto&&, auto&&... values) {
        return rest(std::forward<decltype(values)>(values)...);
    };
    if constexpr (std::is_same_v<First, boost::system::error_code>) {
        if (std::get<0>(all)) { throw boost::system::system_error(std::get<0>(all)); }
        return std::apply(without_first, std::move(all));
    } else if constexpr (std::is_same_v<First, std::exception_ptr>) {
        if (std::get<0>(all)) { std::rethrow_exception(std::get<0>(all)); }
        return std::apply(without_first, std::move(all));
    } else {
        return std::apply(rest, std::move(all));
    }
}
inline void unpack_io_result(std::tuple<>&&) {}

/// An operation with its arguments, not started: what an initiating function returns for
/// `use_coro`, and the awaiter of it.
template <class Initiation, class Arguments, class... Args>
class [[nodiscard(
    "an operation with use_coro does nothing until it is awaited")]] io_operation final
    : public wait_node {
public:
    template <class I, class... A>
    explicit io_operation(std::in_place_t, I && initiation, A && ... arguments)
        : initiation_(std::forward<I>(initiation)),
          arguments_(std::forward<A>(arguments)...) {}
    io_operation(io_operation && other) noexcept
        : initiation_(std::move(other.initiation_)),
          arguments_(std::move(other.arguments_)) {}
    ~io_operation() {
        if (state_ != nullptr) {
            state_->abandon();
            state_->release();
        }
    }

    [[nodiscard]] io_operation coroscope_awaiter()&& noexcept {
        return std::move(*this);
    }

    [[nodiscard]] bool await_ready() const noexcept {
        return false;
    }
    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> suspended) {
        task_ = static_cast<frame_base&>(suspended.promise()).task;
        if (task_->must_cancel) {
            return false;  // await_resume throws
        }
        state_ = new io_state<Args...>(*task_);
        auto& core = *task_->loop;
        task_->begin_wait(*this, wait_kind::io, core.next_object_id++);
        ++core.io_operations;
        try {
            std::apply(
                [&](auto&&... a) {
                    std::move(initiation_)(io_handler<Args...>(*state_),
                                           std::forward<decltype(a)>(a)...);
                },
                std::move(arguments_));
        } catch (...) {
            --core.io_operations;
            task_->waiting_on = nullptr;
            state_->waiting = nullptr;
            throw;
        }
        return true;
    }
    auto await_resume() {
        if (state_ == nullptr || (state_->cancel_requested && state_->aborted)) {
            task_->throw_if_cancelled();
        }
        return unpack_io_result(std::move(*state_->result));
    }

    [[nodiscard]] task_core* cancel_wait() noexcept override {
        state_->request_cancellation();
        return nullptr;
    }

private:
    Initiation initiation_;
    Arguments arguments_;
    task_core* task_ = nullptr;
    io_state<Args...>* state_ = nullptr;
};

template <class... Args, class Initiation, class... InitArgs>
[[nodiscard]] auto make_io_operation(Initiation&& initiation, InitArgs&&... arguments) {
    return io_operation<std::decay_t<Initiation>, std::tuple<std::decay_t<InitArgs>...>,
                        std::decay_t<Args>...>(std::in_place, std::forward<Initiation>(initiation),
                                               std::forward<InitArgs>(arguments)...);
}

}  // namespace coroscope::detail
