// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/detail/allocation_feed.hpp>

#include "allocation_attribution.hpp"
#include "allocation_table.hpp"

#include <coroscope/runtime/detail/task_core.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include <execinfo.h>

namespace coroscope::instrumentation::detail {
namespace {

constinit std::atomic<std::uint32_t> wanted_calls{1};
constinit std::atomic<std::uint64_t> threads_seen{0};

/// Unwinding may allocate itself, and a profiler does.
constinit thread_local unsigned unwatched = 0;
constinit thread_local std::uint64_t own_number = 0;
constinit thread_local std::uint64_t random_state = 0;

[[nodiscard]] std::uint64_t thread_number() noexcept {
    if (own_number == 0) { own_number = ++threads_seen; }
    return own_number;
}

/// Evenly distributed in (0, 1]: xorshift, seeded by the thread's number.
[[nodiscard]] double random_share() noexcept {
    auto& x = random_state;
    if (x == 0) { x = thread_number() * 0x9E37'79B9'7F4A'7C15U; }
    x ^= x << 13U;
    x ^= x >> 7U;
    x ^= x << 17U;
    return (static_cast<double>(x >> 11U) + 1) * 0x1.0p-53;
}

/// Bytes up to the next sample, as a Poisson process has them.
void draw_next_sample(std::size_t period) noexcept {
    bytes_to_next_sample =
        static_cast<std::int64_t>(-std::log(random_share()) * static_cast<double>(period));
}

/// False: the allocation is no sample after all.
[[nodiscard]] bool is_sampled(std::size_t size, std::size_t period) noexcept {
    if (random_state == 0) {
        // A thread's first allocation begins its sequence, and may be in it.
        draw_next_sample(period);
        bytes_to_next_sample -= static_cast<std::int64_t>(size);
        if (bytes_to_next_sample >= 0) { return false; }
    }
    draw_next_sample(period);
    return true;
}

void add_calls(place_key& key, const void* caller, std::size_t most) noexcept {
    key.call[0] = caller;
    key.calls = 1;
    if (most <= 1) { return; }
    std::array<void*, place_key::most_calls + 8> all{};  // the hook's own come first
    const auto count = std::max(::backtrace(all.data(), static_cast<int>(all.size())), 0);
    auto* const end = all.data() + count;
    auto* const first = std::find(all.data(), end, caller);
    const auto kept = std::min<std::size_t>(static_cast<std::size_t>(end - first), most);
    if (kept == 0) { return; }
    std::copy_n(first, kept, key.call.begin());
    key.calls = static_cast<std::uint32_t>(kept);
}

void add_awaits(place_key& key, const coroscope::detail::task_core& task) noexcept {
    for (const auto* frame = task.top; frame != nullptr && key.awaits < place_key::most_awaits;
         frame = frame->parent) {
        if (frame->site.line() != 0) { key.add(frame->site); }
    }
}

}  // namespace

void set_wanted_calls(std::size_t calls) noexcept {
    wanted_calls =
        static_cast<std::uint32_t>(std::clamp<std::size_t>(calls, 1, place_key::most_calls));
}

std::pair<std::uint32_t, std::uint64_t> whoever_runs() noexcept {
    const auto* const core = coroscope::detail::running_loop;
    const auto* const task = core != nullptr ? core->current.get() : nullptr;
    if (task == nullptr) { return {0, thread_number()}; }
    return {core->id, task->id()};
}

void note_allocation_slow(const void* block, std::size_t size, const void* caller) noexcept {
    if (unwatched != 0) { return; }
    if (const auto period = process_allocations.period();
        period != 0 && !is_sampled(size, period)) {
        return;
    }
    ++unwatched;
    place_key key;
    std::string_view name;
    const auto* const core = coroscope::detail::running_loop;
    const auto* const task = core != nullptr ? core->current.get() : nullptr;
    add_calls(key, caller, wanted_calls.load(std::memory_order_relaxed));
    if (task != nullptr) {
        key.who = task->id();
        key.loop_id = core->id;
        add_awaits(key, *task);
        name = task->given_name();
    } else {
        key.who = thread_number();
        if (core != nullptr && core->callback != nullptr) {
            key.add(core->callback_created_at.get());
        }
    }
    process_allocations.allocated(block, size, key, name);
    --unwatched;
}

void note_free_slow(const void* block) noexcept {
    process_allocations.freed(block);
}

unwatched_memory::unwatched_memory() noexcept {
    ++unwatched;
}

unwatched_memory::~unwatched_memory() {
    --unwatched;
}

}  // namespace coroscope::instrumentation::detail
