// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/report/memory_stats.hpp>
#include <coroscope/report/profile.hpp>
#include <coroscope/runtime/await_site.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace coroscope::instrumentation {

using report::memory_amounts;
using report::memory_filter;
using report::memory_key;
using report::memory_row;

/// One place that allocates: who, and where.
struct memory_place {
    std::uint32_t loop_id = 0;       ///< 0: outside of tasks
    std::uint64_t who = 0;           ///< the task's id, or a number of the thread
    std::string task;                ///< the task's name, cut after 24 characters; empty: no task
    std::vector<void*> calls;        ///< return addresses, innermost first
    std::vector<await_site> awaits;  ///< the async stack, innermost first
    memory_amounts amounts;
    std::int64_t peak_bytes = 0;  ///< most that was alive at once
};

/// The state of a `memory_profiler` at one moment. A value. **Cost**: looking up lines takes
/// milliseconds for the first address in a source file.
class memory_snapshot {
public:
    std::vector<memory_place> places;
    std::uint64_t dropped = 0;    ///< allocations that are not counted, because of a limit
    std::int64_t peak_bytes = 0;  ///< most bytes that were alive at once, of all places together
    std::int64_t period = 0;      ///< bytes between two samples on average; 0: every allocation
    std::string note;             ///< what is not seen

    /// Only what this task allocated.
    [[nodiscard]] memory_snapshot of_task(std::uint32_t loop_id, std::uint64_t id) const;
    [[nodiscard]] memory_amounts total() const noexcept;
    /// By key, most live bytes first.
    [[nodiscard]] std::vector<memory_row> rows(memory_key by,
                                               const memory_filter& filter = {}) const;
    /// What changed since `earlier`, by key, the largest change of live bytes first. Without what
    /// did not change.
    [[nodiscard]] std::vector<memory_row> compare_to(const memory_snapshot& earlier, memory_key by,
                                                     const memory_filter& filter = {}) const;
    /// Only the places of whose blocks some are still there. At the end of a program: what leaked.
    [[nodiscard]] memory_snapshot alive() const;
    /// What happened after `earlier`, of the same profiler and the same start, place by place.
    /// Peaks are those of the whole time.
    [[nodiscard]] memory_snapshot since(const memory_snapshot& earlier) const;
    /// alloc_objects, alloc_space, inuse_objects, inuse_space. Kind `heap`, or `growth` for what
    /// `since` gives.
    [[nodiscard]] report::profile to_profile(const std::string& kind = "heap") const;
};

}  // namespace coroscope::instrumentation
