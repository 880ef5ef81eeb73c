// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "race_records.hpp"

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

/// What makes room for one with that path: `like` have the same.
template <class Pointer, class IsClosed>
[[nodiscard]] std::size_t least_needed(const std::vector<Pointer>& records, std::uint64_t path,
                                       std::size_t like, const IsClosed& is_closed) {
    const bool is_crowd = like >= records.size() / 4;
    auto before_middle = ((is_crowd ? like : records.size()) - 1) / 2;
    std::size_t middle = records.size();
    for (std::size_t i = 0; i < records.size(); ++i) {
        if (is_crowd && records[i]->path != path) { continue; }
        if (is_closed(*records[i])) { return i; }
        if (before_middle-- == 0) { middle = i; }
    }
    return middle;
}

/// Drops one, and what its unit did before: a later look clears an earlier one, and is not to be
/// forgotten before that.
template <class Pointer>
void make_room(std::vector<Pointer>& records, std::uint64_t path, std::size_t like) {
    auto place = least_needed(records, path, like, [](const auto& each) {
        return each.is_followed || each.who->has_ended.is_set();
    });
    const auto unit = records[place]->who->agent;
    drop_record(records, place);
    while (place-- > 0) {
        if (records[place]->who->agent == unit) { drop_record(records, place); }
    }
}

}  // namespace coroscope::instrumentation::detail
