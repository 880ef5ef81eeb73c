// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/report/finding.hpp>
#include <coroscope/report/memory_stats.hpp>
#include <coroscope/report/profile.hpp>
#include <coroscope/report/slow_step.hpp>
#include <coroscope/report/snapshot.hpp>

#include <chrono>
#include <cstddef>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <vector>

namespace coroscope::profiler_server {

/// What a question throws that this program cannot answer: now, because what it takes is in use, or
/// at all, because it has not what it takes. The message says what to do next.
class no_facts_error : public std::runtime_error {
public:
    enum class reason { busy, unavailable };

    no_facts_error(reason why, const std::string& message)
        : std::runtime_error(message),
          why_(why) {}

    [[nodiscard]] reason why() const noexcept { return why_; }

private:
    reason why_;
};

/// How a CPU profile is made.
struct cpu_profile_request {
    std::chrono::seconds length{10};
    int frequency = 250;  ///< samples in a second of a thread's CPU time
};

/// Where a profiler server has its facts from: one question for each thing that clients ask.
///
/// Override what there are facts about; the rest is empty, and profiles are `unavailable`. What
/// else a question throws becomes an `internal` error with its message in the client's reply, and
/// the server goes on.
///
/// **Thread safety**: called on the server's own thread, one question at a time, at any moment from
/// the server's construction to its `close()`, also while the loops are blocked. So an answer must
/// not wait for a loop. `memory_stats` and the profiles take long, and are called on threads of
/// their own, at the same time as others and each other.
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

    /// Functions whose memory is profiled.
    virtual report::memory_table memory_stats(report::memory_key by,
                                              const report::memory_filter& filter) {
        (void)by;
        (void)filter;
        return {};
    }

    /// Samples now, for `wanted.length`, or until `stop` is requested: nobody wants it any more.
    virtual report::profile cpu_profile(const cpu_profile_request& wanted,
                                        const std::stop_token& stop);

    /// Where tasks wait, so far.
    virtual report::profile wait_profile();

    /// What was allocated, so far, and what of it is alive.
    virtual report::profile memory_profile();
};

}  // namespace coroscope::profiler_server
