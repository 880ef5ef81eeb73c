// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/memory_snapshot.hpp>

#include "thread_capture.hpp"

#include <coroscope/instrumentation/detail/allocation_feed.hpp>
#include <coroscope/instrumentation/snapshots.hpp>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace coroscope::instrumentation {
namespace {

using named_addresses = std::map<void*, std::vector<report::stack_frame>>;

/// The calls down to the coroutine, then what the task awaits. Where the calls' lines are not
/// known, the line of the last co_await that the task came to is what there is.
report::stack stack_of(const memory_place& place, named_addresses& known) {
    report::stack made;
    for (void* call : place.calls) {
        auto found = known.find(call);
        if (found == known.end()) {
            auto named = detail::name_return_addresses(std::span<void* const>(&call, 1));
            found = known.emplace(call, std::move(named.frames)).first;
        }
        made.frames.insert(made.frames.end(), found->second.begin(), found->second.end());
    }
    for (const auto& site : place.awaits) {
        const auto position = position_of(site);
        report::stack_frame frame;
        frame.function = position.function;
        frame.file = position.file;
        frame.line = position.line;
        made.frames.push_back(std::move(frame));
    }
    return made;
}

bool has_any(const std::string& file, const std::vector<std::string>& parts) {
    return std::any_of(parts.begin(), parts.end(),
                       [&](const auto& part) { return file.find(part) != std::string::npos; });
}

bool counts(const report::stack_frame& frame, const memory_filter& filter) {
    return !frame.file.empty() && !has_any(frame.file, filter.exclude)
           && (filter.include.empty() || has_any(frame.file, filter.include));
}

std::string text_of(const report::stack_frame& frame, memory_key by) {
    return by == memory_key::filename ? frame.file : frame.file + ":" + std::to_string(frame.line);
}

/// What a place counts for: one key, or with `cumulative` one for each frame.
std::set<std::string> keys_of(const memory_place& place, memory_key by, const memory_filter& filter,
                              named_addresses& known) {
    if (by == memory_key::task) { return {place.task}; }
    const auto stack = stack_of(place, known);
    std::set<std::string> keys;
    std::string traceback;
    for (const auto& frame : stack.frames) {
        if (!counts(frame, filter)) { continue; }
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

report::profile memory_snapshot::to_profile() const {
    const detail::unwatched_memory mine;
    report::profile_builder builder("heap", {{"alloc_objects", "count"},
                                             {"alloc_space", "bytes"},
                                             {"inuse_objects", "count"},
                                             {"inuse_space", "bytes"}});
    named_addresses known;
    for (const auto& place : places) {
        const auto& a = place.amounts;
        builder.add(stack_of(place, known), place.task,
                    {a.allocated_blocks, a.allocated_bytes, a.live_blocks(), a.live_bytes()});
    }
    auto made = builder.take();
    made.period = period;
    made.dropped = dropped;
    made.note = note;
    return made;
}

}  // namespace coroscope::instrumentation
