// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/detail/access_sink.hpp>

#include <atomic>

namespace coroscope::detail {
namespace {

constinit std::atomic<std::uint64_t> last_number{0};

}  // namespace

[[gnu::noinline]] void begin_told_stretch() noexcept {
    this_stretch.number = last_number.fetch_add(1, std::memory_order_relaxed) + 1;
    // What is called from where this was called lies below this function's frame, or in its place.
    this_stretch.own_stack = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
}

void renew_told_stretch() noexcept {
    this_stretch.number = last_number.fetch_add(1, std::memory_order_relaxed) + 1;
}

}  // namespace coroscope::detail
