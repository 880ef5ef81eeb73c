// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/report/finding.hpp>
#include <coroscope/report/slow_step.hpp>
#include <coroscope/report/snapshot.hpp>

#include <cstddef>
#include <vector>

namespace coroscope::profiler_server {

/// Where a profiler server has its facts from: one question for each thing that clients ask.
///
/// Override what there are facts about; the rest is empty. What a question throws becomes an
/// `internal` error with its message in the client's reply, and the server goes on.
///
/// **Thread safety**: called on the server's own thread, one question at a time, at any moment from
/// the server's construction to its `close()`, also while the loops are blocked. So an answer must
/// not wait for a loop.
class facts_source {
public:
    facts_source() = default;
    facts_source(const facts_source&) = delete;
    facts_source& operator=(const facts_source&) = delete;
    virtual ~facts_source() = default;

    /// Profiled functions.
    virtual report::time_table time_stats() { return {}; }

    /// Tasks alive, at most `limit`, and how many more there are.
    virtual report::task_list tasks(std::size_t limit) {
        (void)limit;
        return {};
    }

    /// The same with the async stack of each task that is suspended; without, where those are not
    /// known.
    virtual report::task_list tasks_with_stacks(std::size_t limit) { return tasks(limit); }

    /// Problems found so far, slow steps excluded.
    virtual std::vector<report::finding> findings() { return {}; }

    /// Slow steps recorded so far, in the order of recording.
    virtual std::vector<report::slow_step> slow_steps() { return {}; }

    virtual std::vector<report::loop_stats> loop_stats() { return {}; }
};

}  // namespace coroscope::profiler_server
