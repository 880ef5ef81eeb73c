// SPDX-License-Identifier: Apache-2.0
#include "variable_history.hpp"

#include "race_log.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace coroscope::instrumentation::detail {
namespace {

[[nodiscard]] std::uint64_t place_of(const access_record& made) noexcept {
    return race_key(
        static_cast<std::uint64_t>(made.kind),
        {std::bit_cast<std::uint64_t>(made.where), reinterpret_cast<std::uintptr_t>(made.code)});
}

/// It is not what its unit's next access follows.
[[nodiscard]] bool is_closed(const access_record& of) noexcept {
    return of.is_followed || of.who->has_ended;
}

}  // namespace

// Windows end at the oldest that is kept: a chain of all accesses would grow without end.
void variable_history::drop(std::size_t place) noexcept {
    records_[place]->previous = nullptr;
    records_.erase(records_.begin() + static_cast<std::ptrdiff_t>(place));
}

void variable_history::add(const pointer& made, record_pointer previous) {
    made->previous = std::move(previous);
    made->place = place_of(*made);
    made->path = race_key(0, {made->previous != nullptr ? made->previous->place : 0, made->place});
    auto same = records_.size();
    for (std::size_t i = 0; i < records_.size(); ++i) {
        auto& each = *records_[i];
        if (each.path == made->path && each.who->agent == made->who->agent) { same = i; }
        if (&each == made->previous.get()) { each.is_followed = true; }
    }
    if (same != records_.size()) {
        drop(same);
    } else if (records_.size() == capacity_) {
        make_room(made->path);
    }
    records_.push_back(made);
}

// A later look of a unit clears an earlier one: it is not forgotten before that.
void variable_history::make_room(std::uint64_t path) noexcept {
    auto place = least_needed(path);
    const auto unit = records_[place]->who->agent;
    drop(place);
    while (place-- > 0) {
        if (records_[place]->who->agent == unit) { drop(place); }
    }
}

std::size_t variable_history::least_needed(std::uint64_t path) const noexcept {
    const auto is_like = [&](const pointer& each) {
        return each->path == path;
    };
    const auto like = static_cast<std::size_t>(std::ranges::count_if(records_, is_like));
    const bool is_crowd = like >= capacity_ / 4;
    const auto among = is_crowd ? like : records_.size();
    std::size_t seen = 0;
    std::size_t middle = 0;
    for (std::size_t i = 0; i < records_.size(); ++i) {
        if (is_crowd && !is_like(records_[i])) { continue; }
        if (is_closed(*records_[i])) { return i; }
        if (seen++ <= among / 2) { middle = i; }
    }
    return middle;
}

access_record* variable_history::find(std::uint64_t segment, access_kind kind) const noexcept {
    const auto place = place_in(segment, kind);
    return place != nullptr ? place->get() : nullptr;
}

record_pointer variable_history::read_in(std::uint64_t segment) const noexcept {
    const auto place = place_in(segment, access_kind::read);
    return place != nullptr ? *place : nullptr;
}

// Numbers of segments grow, on one thread: what is before an earlier one is earlier.
const variable_history::pointer* variable_history::place_in(std::uint64_t segment,
                                                            access_kind kind) const noexcept {
    for (auto each = records_.rbegin(); each != records_.rend(); ++each) {
        if ((*each)->segment == segment && (*each)->kind == kind) { return &*each; }
        if ((*each)->segment < segment) { break; }
    }
    return nullptr;
}

record_pointer variable_history::last_of(const schedule_policy::agent& unit,
                                         std::uint64_t before_segment) const noexcept {
    for (auto each = records_.rbegin(); each != records_.rend(); ++each) {
        if ((*each)->who->agent == unit && (*each)->segment != before_segment) { return *each; }
    }
    return nullptr;
}

record_pointer variable_history::last_of(const schedule_policy::agent& unit,
                                         std::uint64_t before_segment,
                                         access_kind kind) const noexcept {
    for (auto each = records_.rbegin(); each != records_.rend(); ++each) {
        if ((*each)->who->agent == unit && (*each)->segment != before_segment
            && (*each)->kind == kind) {
            return *each;
        }
    }
    return nullptr;
}

}  // namespace coroscope::instrumentation::detail
