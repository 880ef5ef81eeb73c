// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/clock.hpp>
#include <coroscope/runtime/detail/callback.hpp>
#include <coroscope/runtime/detail/context_cell.hpp>
#include <coroscope/runtime/detail/timer_queue.hpp>

#include <cstdint>
#include <utility>

namespace coroscope {

namespace detail {

struct loop_core;

/// A scheduled callback. Counted: the queue it stands in holds a reference, each handle another.
class handle_state {
public:
    handle_state(loop_core& core, callback f, std::uint64_t number, await_site where)
        : loop(&core),
          function(std::move(f)),
          id(number),
          created_at(where),
          context(inherited_context()) {}

    void add_reference() noexcept { ++references_; }
    void release() noexcept {
        if (--references_ == 0) { delete this; }
    }
    void cancel() noexcept;
    [[nodiscard]] bool is_cancelled() const noexcept;

    [[nodiscard]] static void* operator new(std::size_t size);
    static void operator delete(void* memory, std::size_t size) noexcept;

    loop_core* loop;  ///< null once it has run, or its loop is closed
    callback function;
    timer_node timer;
    time_point when{};
    std::uint64_t id;
    await_site created_at;
    context_reference context;
    handle_state* next_mail = nullptr;  ///< link of the inbox that other threads post to
    std::uint64_t posted_by = 0;        ///< see `loop_core::turn`; where a schedule policy is set
    bool cancelled = false;
    bool is_internal = false;  ///< the library's own delivery; not a user's callback

private:
    std::uint32_t references_ = 1;
};

}  // namespace detail

/// A callback given to `call_soon`; lets it be cancelled. Dropping a handle changes nothing.
/// **Thread safety**: the loop's thread only. **Lifetime**: may outlive the loop.
class handle {
public:
    handle() = default;
    explicit handle(detail::handle_state& state) noexcept : state_(&state) {
        state_->add_reference();
    }
    handle(const handle& other) noexcept : state_(other.state_) {
        if (state_ != nullptr) { state_->add_reference(); }
    }
    handle(handle&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
    handle& operator=(handle other) noexcept {
        std::swap(state_, other.state_);
        return *this;
    }
    ~handle() {
        if (state_ != nullptr) { state_->release(); }
    }

    /// The callback will not run, and what it captured is released. No effect once it has run.
    void cancel() noexcept {
        if (state_ != nullptr) { state_->cancel(); }
    }
    [[nodiscard]] bool cancelled() const noexcept {
        return state_ != nullptr && state_->is_cancelled();
    }
    /// A number unique among the callbacks, futures and operations of its loop.
    [[nodiscard]] std::uint64_t id() const noexcept { return state_ != nullptr ? state_->id : 0; }

protected:
    detail::handle_state* state_ = nullptr;
};

/// A callback given to `call_later` or `call_at`.
class timer_handle : public handle {
public:
    using handle::handle;
    /// The loop time at which it becomes due.
    [[nodiscard]] time_point when() const noexcept {
        return state_ != nullptr ? state_->when : time_point{};
    }
};

}  // namespace coroscope
