// SPDX-License-Identifier: Apache-2.0
#include "seen_access.hpp"

#include "code_origins.hpp"
#include "thread_state.hpp"

#include <coroscope/instrumentation/detail/annotation.hpp>

#include <coroscope/runtime/detail/loop_core.hpp>

#include <cstddef>
#include <cstdint>

namespace coroscope::instrumentation::detail {
namespace {

/// What a function with a frame pointer keeps below it: all instrumented ones do.
struct frame_record {
    const frame_record* next;
    const void* return_address;
};

/// From here to where the step began, the stack is the step's own.
[[nodiscard]] bool is_on_own_stack(std::uintptr_t address, const void* here) noexcept {
    const auto top = reinterpret_cast<std::uintptr_t>(here);
    return address >= top && address < this_stretch.own_stack;
}

/// Threads that this one has started, and not joined.
constinit thread_local std::uint32_t threads_out = 0;

/// The callers of an instrumented function, innermost first.
class callers {
public:
    /// As far as `end`. `here`: the frame of a function of ours that it called, directly or not,
    /// with a return to `caller`.
    callers(const frame_record* here, const void* caller, std::uintptr_t end) noexcept : end_(end) {
        for (std::size_t i = 0; i < most_own && can_be_frame(here); ++i) {
            const bool is_last = here->return_address == caller;
            step(here);
            if (!is_last) { continue; }
            next_ = here;
            return;
        }
    }

    /// Null: it is not known who called.
    [[nodiscard]] const void* next() noexcept {
        if (!can_be_frame(next_)) { return nullptr; }
        const auto* const address = next_->return_address;
        step(next_);
        return address;
    }

private:
    static constexpr std::size_t most_own = 4;

    /// Frames of functions without frame pointers are stepped over, or say anything.
    [[nodiscard]] bool can_be_frame(const frame_record* frame) const noexcept {
        const auto address = reinterpret_cast<std::uintptr_t>(frame);
        return address % alignof(frame_record) == 0 && frame >= __builtin_frame_address(0)
               && address < end_;
    }
    static void step(const frame_record*& frame) noexcept {
        const auto* const further = frame->next;
        frame = further > frame ? further : nullptr;
    }

    std::uintptr_t end_;  ///< of the part of the stack to look at
    const frame_record* next_ = nullptr;
};

/// The code that the access is for: that of a library works for its caller. 0: nobody looks for
/// races there.
[[nodiscard]] std::uintptr_t responsible_code(const frame_record* here, const void* caller,
                                              std::uintptr_t end_of_stack) noexcept {
    const auto innermost = call_at(caller);
    auto origin = origin_of_code(innermost);
    auto code = innermost;
    constexpr std::size_t most_callers = 64;
    if (origin == code_origin::library) {
        callers further(here, caller, end_of_stack);
        for (std::size_t i = 0; i < most_callers && origin == code_origin::library; ++i) {
            const auto* const next = further.next();
            if (next == nullptr) { return innermost; }
            code = call_at(next);
            origin = origin_of_code(code);
        }
    }
    return origin == code_origin::internals ? 0 : code;
}

/// Between steps a loop's thread works for the loop.
[[nodiscard]] bool runs_users_code() noexcept {
    const auto* const loop = coroscope::detail::running_loop;
    return loop == nullptr || loop->current != nullptr || loop->callback != nullptr;
}

}  // namespace

[[gnu::noinline]] void see_new_access(const void* data, std::size_t bytes, access_kind kind,
                                      const void* caller, atomicity atomic) noexcept {
    const auto stretch = this_stretch.number;
    const auto begin = reinterpret_cast<std::uintptr_t>(data);
    const auto* const here = static_cast<const frame_record*>(__builtin_frame_address(0));
    const bool is_on_stack = is_on_own_stack(begin, here);
    const bool was_freed = annotation_listener != nullptr && access_shadow::is_freed(begin);
    if (is_on_stack && (threads_out == 0 || annotation_listener == nullptr)) {
        access_shadow::mark(stretch, begin, bytes, kind);  // not looked at again
        return;
    }
    if (coroscope::detail::access_listener == nullptr || !runs_users_code()
        || access_shadow::hides(begin)) {
        return;
    }
    coroscope::detail::tell_access_listener([&](coroscope::detail::access_sink& told) {
        const auto code = responsible_code(here, caller, this_stretch.own_stack);
        if (code == 0) { return; }
        coroscope::detail::access made{data, bytes, kind};
        made.code = reinterpret_cast<const void*>(code);  // NOLINT: as it was
        made.atomic = atomic;
        if (was_freed && annotation_listener->on_use_of_freed(made)) { return; }
        access_shadow::mark(stretch, begin, bytes, kind);
        if (is_on_stack) {
            annotation_listener->on_stack_access(made);
            return;
        }
        if (kind == access_kind::write && is_fresh_start(call_at(caller))) {
            made.kind = access_kind::read;  // a look that it did not need
            told.on_access(made);
            made.kind = kind;
        }
        told.on_access(made);
    });
}

void share_stack() noexcept {
    ++threads_out;
    coroscope::detail::renew_stretch();  // of what is on it, it is known that nobody sees it
}

void unshare_stack() noexcept {
    if (threads_out > 0) { --threads_out; }
}

[[gnu::noinline]] bool is_for_user(const void* caller) noexcept {
    const auto* const here = static_cast<const frame_record*>(__builtin_frame_address(0));
    const coroscope::detail::own_accesses inside;
    return responsible_code(here, caller, this_stretch.own_stack) != 0;
}

[[gnu::noinline]] const void* user_of_allocation(const void* caller) noexcept {
    const auto* const here = static_cast<const frame_record*>(__builtin_frame_address(0));
    const coroscope::detail::own_accesses inside;
    return reinterpret_cast<const void*>(
        responsible_code(here, caller, own_stack().high));  // NOLINT: as it was
}

}  // namespace coroscope::instrumentation::detail
