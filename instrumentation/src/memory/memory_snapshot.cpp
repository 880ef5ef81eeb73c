// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/memory_snapshot.hpp>

#include "place_stacks.hpp"

#include <coroscope/instrumentation/detail/allocation_feed.hpp>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <map>
#include <set>
#include <tuple>
#include <utility>

namespace coroscope::instrumentation {
namespace {

using detail::named_addresses;

std::string text_of(const report::stack_frame& frame, memory_key by) {
    return by == memory_key::filename ? frame.file : frame.file + ":" + std::to_string(frame.line);
}

/// What a place counts for: one key, or with `cumulative` one for each frame.
std::set<std::string> keys_of(const memory_place& place, memory_key by, const memory_filter& filter,
                              named_addresses& known) {
    if (by == memory_key::task) { return {place.task}; }
    const auto stack = detail::stack_of(place, known);
    std::set<std::string> keys;
    std::string traceback;
    for (const auto& frame : stack.frames) {
        if (!detail::counts(frame, filter)) { continue; }
        if (by == memory_key::traceback) {
            traceback += (traceback.empty() ? "" : "\n") + text_of(frame, by);
            continue;
        }
        keys.insert(text_of(frame, by));
        if (!filter.cumulative) { break; }
    }
    if (!traceback.empty()) { keys.insert(traceback); }
    if (keys.empty() && filter.include.empty()) { keys.insert("?"); }
    return keys;
}

std::map<std::string, memory_amounts> sums_of(const memory_snapshot& snapshot, memory_key by,
                                              const memory_filter& filter, named_addresses& known) {
    std::map<std::string, memory_amounts> sums;
    for (const auto& place : snapshot.places) {
        for (const auto& key : keys_of(place, by, filter, known)) {
            sums[key] += place.amounts;
        }
    }
    return sums;
}

using place_identity =
    std::tuple<std::uint32_t, std::uint64_t, std::vector<void*>, std::vector<const void*>>;

place_identity identity_of_place(const memory_place& place) {
    std::vector<const void*> awaits;
    for (const auto& site : place.awaits) {
        awaits.push_back(std::bit_cast<const void*>(site));
    }
    return {place.loop_id, place.who, place.calls, std::move(awaits)};
}

std::vector<memory_row> sorted(std::map<std::string, memory_amounts> sums) {
    std::vector<memory_row> rows;
    for (auto& [key, amounts] : sums) {
        if (amounts != memory_amounts{}) { rows.push_back({key, amounts}); }
    }
    report::sort_rows(rows);
    return rows;
}

}  // namespace

memory_snapshot memory_snapshot::of_task(std::uint32_t loop_id, std::uint64_t id) const {
    const detail::unwatched_memory mine;
    auto made = *this;
    std::erase_if(made.places,
                  [=](const auto& place) { return place.loop_id != loop_id || place.who != id; });
    return made;
}

memory_amounts memory_snapshot::total() const noexcept {
    memory_amounts sum;
    for (const auto& place : places) {
        sum += place.amounts;
    }
    return sum;
}

std::vector<memory_row> memory_snapshot::rows(memory_key by, const memory_filter& filter) const {
    return compare_to({}, by, filter);
}

std::vector<memory_row> memory_snapshot::compare_to(const memory_snapshot& earlier, memory_key by,
                                                    const memory_filter& filter) const {
    const detail::unwatched_memory mine;
    named_addresses known;
    auto sums = sums_of(*this, by, filter, known);
    for (const auto& [key, before] : sums_of(earlier, by, filter, known)) {
        sums[key] -= before;
    }
    return sorted(std::move(sums));
}

memory_snapshot memory_snapshot::alive() const {
    const detail::unwatched_memory mine;
    auto made = *this;
    std::erase_if(made.places, [](const auto& place) { return place.amounts.live_blocks() <= 0; });
    return made;
}

memory_snapshot memory_snapshot::since(const memory_snapshot& earlier) const {
    const detail::unwatched_memory mine;
    auto made = *this;
    std::map<place_identity, memory_amounts> before;
    for (const auto& place : earlier.places) {
        before[identity_of_place(place)] += place.amounts;
    }
    for (auto& place : made.places) {
        if (const auto found = before.find(identity_of_place(place)); found != before.end()) {
            place.amounts -= found->second;
        }
    }
    std::erase_if(made.places, [](const auto& each) { return each.amounts == memory_amounts{}; });
    made.dropped -= std::min(made.dropped, earlier.dropped);
    return made;
}

report::profile memory_snapshot::to_profile(const std::string& kind) const {
    const detail::unwatched_memory mine;
    report::profile_builder builder(kind, {{"alloc_objects", "count"},
                                           {"alloc_space", "bytes"},
                                           {"inuse_objects", "count"},
                                           {"inuse_space", "bytes"}});
    named_addresses known;
    for (const auto& place : places) {
        const auto& a = place.amounts;
        builder.add(detail::stack_of(place, known), place.task,
                    {a.allocated_blocks, a.allocated_bytes, a.live_blocks(), a.live_bytes()});
    }
    auto made = builder.take();
    made.period = period;
    made.dropped = dropped;
    made.note = note;
    return made;
}

}  // namespace coroscope::instrumentation
