// SPDX-License-Identifier: Apache-2.0
#include "kept_stacks.hpp"

#include <algorithm>
#include <utility>

namespace coroscope::instrumentation::detail {
namespace {

constexpr std::size_t sets_of_sights = 256;  // a power of two
constexpr std::uint64_t odd_factor = 0x9e3779b97f4a7c15;

std::uint64_t mixed(std::uint64_t before, std::uint64_t value) noexcept {
    const auto product = (before ^ value) * odd_factor;
    return product ^ (product >> 32U);
}

std::uint64_t hash_of(const native_trace& trace) noexcept {
    std::uint64_t hash = trace.truncated ? 1 : 0;
    for (const auto address : trace.addresses) {
        hash = mixed(hash, address);
    }
    return hash;
}

bool is_same(const await_site& a, const await_site& b) noexcept {
    return a.line() == b.line() && a.file_name() == b.file_name();
}

}  // namespace

kept_stacks::kept_stacks(std::size_t most, std::size_t addresses)
    : most_(most),
      most_addresses_(addresses),
      sights_(sets_of_sights) {}

// A stack that lies where one lay before, with the same addresses in the same places, is that one:
// unwinding would go from place to place and find the same. Only code that moves its stack pointer
// at run time could leave such addresses behind without being in these calls, and all of them would
// have to be in their places still.
//
// Measured for 22 frames: 1.6 us for _Unwind_Backtrace, 0.13 us for the unw_backtrace of a
// libunwind for the own process, which would be one more library to load, and less than 0.05 us for
// this with all that is done for a task. Frame pointers are as fast, but code has none as a rule.
std::optional<kept_stacks::index> kept_stacks::take(std::uintptr_t frame, const await_site& call) {
    auto& set = sights_at(frame, call);
    for (const auto& seen : set.entries) {
        if (seen.frame != frame || !is_same(seen.call, call)) { continue; }
        auto& known = stacks_[seen.which];
        if (known.generation == seen.generation && are_there(frame, known.addresses, seen.places)) {
            ++known.users;
            return seen.which;
        }
    }
    auto trace = trace_from(frame, most_addresses_);
    ++unwound_;
    auto places = std::move(trace.places);
    const auto which = keep(trace);
    if (!which) { return which; }
    auto& kept = stacks_[*which];
    if (!places.empty()) {
        set.entries[set.oldest] = {frame, call, *which, kept.generation, std::move(places)};
        set.oldest = (set.oldest + 1) % ways;
    }
    ++kept.users;
    return which;
}

std::size_t kept_stacks::used() const noexcept {
    return static_cast<std::size_t>(
        std::count_if(stacks_.begin(), stacks_.end(), [](const stack& s) { return s.users > 0; }));
}

kept_stacks::sights& kept_stacks::sights_at(std::uintptr_t frame, const await_site& call) noexcept {
    const auto hash =
        mixed(mixed(frame, call.line()), reinterpret_cast<std::uintptr_t>(call.file_name()));
    return sights_[hash % sets_of_sights];
}

std::optional<kept_stacks::index> kept_stacks::keep(native_trace& trace) {
    const auto hash = hash_of(trace);
    const auto [first, last] = by_content_.equal_range(hash);
    for (auto at = first; at != last; ++at) {
        const auto& known = stacks_[at->second];
        if (known.truncated == trace.truncated && known.addresses == trace.addresses) {
            return at->second;
        }
    }
    const auto room = free_room();
    if (!room) { return room; }
    by_content_.emplace(hash, *room);
    auto& made = stacks_[*room];
    made.addresses = std::move(trace.addresses);
    made.truncated = trace.truncated;
    return room;
}

/// A new room, or that of a stack without users, which is forgotten.
std::optional<kept_stacks::index> kept_stacks::free_room() {
    if (stacks_.size() < most_) {
        stacks_.emplace_back();
        return static_cast<index>(stacks_.size() - 1);
    }
    for (std::size_t i = 0; i < stacks_.size(); ++i) {
        hand_ = (hand_ + 1) % stacks_.size();
        auto& old = stacks_[hand_];
        if (old.users > 0) { continue; }
        const auto which = static_cast<index>(hand_);
        std::erase_if(by_content_, [which](const auto& entry) { return entry.second == which; });
        ++old.generation;
        return which;
    }
    return std::nullopt;
}

}  // namespace coroscope::instrumentation::detail
