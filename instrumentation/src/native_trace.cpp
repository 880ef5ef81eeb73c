// SPDX-License-Identifier: Apache-2.0
#include "native_trace.hpp"

#include "thread_state.hpp"

#include <limits>
#include <utility>

#include <unwind.h>

namespace coroscope::instrumentation::detail {
namespace {

constexpr std::uintptr_t word = sizeof(std::uintptr_t);

/// A word of this thread's own stack, whoever it belongs to: sanitizers would forbid that.
[[gnu::no_sanitize_address]] std::uintptr_t read_stack(std::uintptr_t place) noexcept {
    // NOLINTNEXTLINE(performance-no-int-to-ptr)
    return *reinterpret_cast<const volatile std::uintptr_t*>(place);
}

struct walk {
    std::uintptr_t frame;
    std::size_t most;
    address_range stack;
    native_trace made{};
    bool has_places = true;
};

_Unwind_Reason_Code note_frame(_Unwind_Context* context, void* data) noexcept {
    auto& w = *static_cast<walk*>(data);
    const std::uintptr_t address = _Unwind_GetIP(context);
    const std::uintptr_t place = _Unwind_GetCFA(context) - word;
    if (address == 0) { return _URC_END_OF_STACK; }
    if (place < w.frame + word) { return _URC_NO_REASON; }  // what the frame's function has called
    auto& made = w.made;
    if (made.addresses.size() == w.most) {
        made.truncated = true;
        return _URC_END_OF_STACK;
    }
    made.addresses.push_back(address);
    const auto above = place - w.frame;
    w.has_places = w.has_places && above <= std::numeric_limits<std::uint32_t>::max()
                   && w.stack.contains(place) && read_stack(place) == address;
    made.places.push_back(static_cast<std::uint32_t>(above));
    return _URC_NO_REASON;
}

}  // namespace

native_trace trace_from(std::uintptr_t frame, std::size_t most) {
    walk w{frame, most, own_stack()};
    w.made.addresses.reserve(most);  // nothing may be thrown through the unwinder
    w.made.places.reserve(most);
    _Unwind_Backtrace(&note_frame, &w);
    if (!w.has_places || !w.stack.contains(frame)) { w.made.places.clear(); }
    return std::move(w.made);
}

[[gnu::no_sanitize_address]] bool are_there(std::uintptr_t frame,
                                            std::span<const std::uintptr_t> addresses,
                                            std::span<const std::uint32_t> places) noexcept {
    const auto stack = own_stack();
    if (places.empty() || !stack.contains(frame) || places.back() >= stack.high - frame) {
        return false;
    }
    for (std::size_t i = 0; i < places.size(); ++i) {
        if (read_stack(frame + places[i]) != addresses[i]) { return false; }
    }
    return true;
}

}  // namespace coroscope::instrumentation::detail
