// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/detail/access_sink.hpp>

#include <atomic>

namespace coroscope::detail {
namespace {

constinit std::atomic<std::uint64_t> last_number{0};

}  // namespace

[[gnu::noinline]] void begin_told_stretch() noexcept {
    this_stretch.number = last_number.fetch_add(1, std::memory_order_relaxed) + 1;
    // What the caller calls next has its frame where this function has its own, and below: from the
    // frame pointer and the return address on.
    constexpr auto end_of_frame = 2 * sizeof(void*);
    const auto frame = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
    this_stretch.own_stack = frame + end_of_frame;
}

void renew_told_stretch() noexcept {
    this_stretch.number = last_number.fetch_add(1, std::memory_order_relaxed) + 1;
}

}  // namespace coroscope::detail
