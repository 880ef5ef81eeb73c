// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/profiler_server/facts_source.hpp>

#include <coroscope/instrumentation/cpu_profiler.hpp>
#include <coroscope/instrumentation/memory_profiler.hpp>
#include <coroscope/instrumentation/profiler.hpp>
#include <coroscope/instrumentation/slow.hpp>
#include <coroscope/instrumentation/wait_profiler.hpp>
#include <coroscope/runtime/loop.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace coroscope::profiler_server {

/// The facts of this process, as they are at the moment of each question: the tasks and figures of
/// its loops, what profilers counted, what a slow spotter recorded. A CPU profile is made when it
/// is asked for, of the threads that a `cpu_profiler` was attached to.
///
///     auto facts = facts_about(loop, profiler, spotter);
///     const coroscope::profiler_server::profiler_server server(facts, where);
///
/// Nothing is asked of a loop: its tasks and figures are read from where it writes them anyway, so
/// it may be blocked. **Thread safety**: `add` before it is given to a server; the questions from
/// any thread. **Lifetime**: what was added may be gone before the facts are: a loop then has no
/// tasks and its last figures, and what profilers and spotters recorded remains.
class live_facts : public facts_source {
public:
    /// Tells of this loop; where none was added, of all loops of the process.
    live_facts& add(const loop& l);
    live_facts& add(const instrumentation::profiler& p);
    live_facts& add(const instrumentation::slow_spotter& spotter);
    /// Allows CPU profiles, with the options of this profiler except for the frequency. It should
    /// be attached to the loops, and need not be started.
    live_facts& add(const instrumentation::cpu_profiler& p);
    live_facts& add(const instrumentation::wait_profiler& p);
    live_facts& add(const instrumentation::memory_profiler& p);

    report::time_table time_stats() override;
    report::task_list tasks(std::size_t limit) override;
    report::task_list tasks_with_stacks(std::size_t limit) override;
    std::vector<report::slow_step> slow_steps() override;
    std::vector<report::loop_stats> loop_stats() override;
    report::memory_table memory_stats(report::memory_key by,
                                      const report::memory_filter& filter) override;
    report::profile cpu_profile(const cpu_profile_request& wanted,
                                const std::stop_token& stop) override;
    report::profile wait_profile() override;
    report::profile memory_profile() override;

private:
    std::vector<std::uint32_t> loops_;
    std::vector<instrumentation::profiler> profilers_;
    std::vector<std::shared_ptr<const instrumentation::slow_log>> slow_;
    std::optional<instrumentation::cpu_profiler_options> cpu_;
    std::vector<std::function<report::profile()>> waits_;
    bool counts_memory_ = false;
};

/// The live facts of any number of loops, profilers and slow spotters, in any order; of all loops
/// of the process where no loop is named. What `profiler_server` takes.
template <class... Watched>
[[nodiscard]] std::shared_ptr<live_facts> facts_about(const Watched&... watched) {
    auto facts = std::make_shared<live_facts>();
    (facts->add(watched), ...);
    return facts;
}

}  // namespace coroscope::profiler_server
