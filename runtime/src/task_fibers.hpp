// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the thread sanitizer is told of tasks. In a library that is compiled without it, which is
// every one but that of the preset `tsan`, all of this is empty.

#if defined(__SANITIZE_THREAD__)
#define COROSCOPE_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define COROSCOPE_THREAD_SANITIZER 1
#endif
#endif

#if defined(COROSCOPE_THREAD_SANITIZER)
#include <atomic>
#include <unordered_map>

#include <sanitizer/tsan_interface.h>
#endif

namespace coroscope::detail {

class task_core;

#if defined(COROSCOPE_THREAD_SANITIZER)

/// The tasks of one loop that the sanitizer knows as fibers, each with a name and with the stack of
/// its creation, so that its reports speak of tasks and not of the thread that they share.
///
/// What runs on one thread is ordered, whichever task it belongs to: each switch is an
/// acquire of the one before, and no report is of two tasks of one loop.
///
/// Fibers are few, since one may take megabytes and milliseconds to make: the tasks beyond them run
/// as the loop's thread, as callbacks do. One whose task has ended is used again, by the thread
/// that it ended on.
/// **Thread safety**: the loop's thread only.
class task_fibers {
public:
    static constexpr bool are_shown = true;

    task_fibers() = default;
    task_fibers(const task_fibers&) = delete;
    task_fibers& operator=(const task_fibers&) = delete;

    /// A task is created, on the stack that shall be shown with it.
    void add(const task_core& task);
    /// Its name is another one.
    void rename(const task_core& task);
    /// It has ended.
    void remove(const task_core& task) noexcept;

    /// While it lives, what this thread does is the task's. May be nested.
    class step {
    public:
        // Inlined by force: a function entered in one fiber and left in another would be on the
        // wrong one's stack.
        [[gnu::always_inline]] step(task_fibers& in, const task_core& task) {
            auto* const fiber = in.fiber_of(task);
            if (fiber == nullptr) { return; }
            order_ = &in.order_;
            outer_ = __tsan_get_current_fiber();
            switch_to(fiber, order_);
        }
        [[gnu::always_inline]] ~step() {
            if (order_ != nullptr) { switch_to(outer_, order_); }
        }
        step(const step&) = delete;
        step& operator=(const step&) = delete;

    private:
        // Not by the flag that orders: the sanitizer keeps a signal for the fiber that it came in
        // until that fiber's next atomic operation or call of the C library, which may be in an
        // hour, or never. So as little as possible is done between the last of these and the
        // switch.
        [[gnu::always_inline]] static void switch_to(void* fiber, char* order) noexcept {
            __tsan_release(order);
            static_cast<void>(looked_at.load(std::memory_order_relaxed));
            __tsan_switch_to_fiber(fiber, __tsan_switch_to_fiber_no_sync);
            __tsan_acquire(order);
        }

        char* order_ = nullptr;  ///< null: the task has no fiber
        void* outer_ = nullptr;
    };

private:
    struct shown_task {
        void* fiber;
        bool is_first;  ///< nobody had the fiber before
    };

    [[nodiscard]] void* fiber_of(const task_core& task) const noexcept;
    static void name(const shown_task& shown, const task_core& task);

    std::unordered_map<const task_core*, shown_task> shown_;
    char order_ = 0;  ///< the sanitizer keeps the order of steps with its address
    inline static constinit std::atomic<bool> looked_at{false};  ///< says nothing
};

#else

class task_fibers {
public:
    static constexpr bool are_shown = false;

    static void add(const task_core&) noexcept {}
    static void rename(const task_core&) noexcept {}
    static void remove(const task_core&) noexcept {}

    struct step {
        step(const task_fibers&, const task_core&) noexcept {}
    };
};

#endif

}  // namespace coroscope::detail
