// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "race_records.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

// Which accesses to a variable are kept where there were more than there is room for: the latest
// ones, and, of a crowd of units that do the same, some.
//
// Where a quarter of the room is taken by others at the same lines, one of these goes. What can
// begin no window any more, since its unit has ended or gone on to another access, goes first; else
// one that is neither among the oldest nor the newest. So a read waits for its unit's write however
// many others come and go, and a few of a thousand that wait tell of all.

namespace coroscope::instrumentation::detail {

[[nodiscard]] constexpr std::uint64_t hash_of_both(std::uint64_t first, std::uint64_t second) {
    return (std::rotl(first, 29) ^ second) * 0x9e3779b97f4a7c15U;
}

/// A hash of what it does and of its lines: those of a crowd have the same.
[[nodiscard]] inline std::uint64_t deed_at(const access_record& made) noexcept {
    return hash_of_both(static_cast<std::uint64_t>(made.kind), number_of_place(made));
}

/// Windows end at the oldest that is kept: a chain of all accesses would grow without end.
template <class Pointer>
void drop_record(std::vector<Pointer>& records, std::size_t place) noexcept {
    records[place]->previous = nullptr;
    records.erase(records.begin() + static_cast<std::ptrdiff_t>(place));
}

/// Whether a quarter of the records have that path.
template <class Pointer>
[[nodiscard]] bool is_crowded(const std::vector<Pointer>& records, std::uint64_t path) {
    const auto like =
        std::ranges::count(records, path, [](const auto& each) { return each->path; });
    return static_cast<std::size_t>(like) >= records.size() / 4;
}

/// What goes first of those for which `is_among` holds: there is one.
template <class Pointer, class IsAmong, class IsClosed>
[[nodiscard]] std::size_t least_needed(const std::vector<Pointer>& records, const IsAmong& is_among,
                                       const IsClosed& is_closed) {
    std::size_t count = 0;
    for (std::size_t i = 0; i < records.size(); ++i) {
        if (!is_among(*records[i])) { continue; }
        if (is_closed(*records[i])) { return i; }
        ++count;
    }
    std::size_t before = (count - 1) / 2;
    std::size_t place = 0;
    while (!is_among(*records[place]) || before-- > 0) {
        ++place;
    }
    return place;
}

/// Drops one, and what its unit did before: a later look clears an earlier one, and is not to be
/// forgotten before that.
template <class Pointer>
void make_room(std::vector<Pointer>& records, std::uint64_t path) {
    const bool is_crowd = is_crowded(records, path);
    auto place = least_needed(
        records, [&](const auto& each) { return !is_crowd || each.path == path; },
        [](const auto& each) { return each.is_followed || each.who->has_ended.is_set(); });
    const auto unit = records[place]->who->agent;
    drop_record(records, place);
    while (place-- > 0) {
        if (records[place]->who->agent == unit) { drop_record(records, place); }
    }
}

}  // namespace coroscope::instrumentation::detail
