// SPDX-License-Identifier: Apache-2.0
#include <coroscope/profiler_server/live_facts.hpp>

#include <coroscope/profiler_server/server.hpp>

#include <coroscope/instrumentation/snapshots.hpp>

#include <algorithm>

namespace coroscope::profiler_server {
namespace {

std::shared_ptr<live_facts> facts_about_all(std::initializer_list<watched_loop> loops) {
    auto facts = std::make_shared<live_facts>();
    for (const auto& l : loops) {
        facts->add(l.get());
    }
    return facts;
}

}  // namespace

live_facts& live_facts::add(const loop& l) {
    loops_.push_back(l.id());
    return *this;
}

live_facts& live_facts::add(const instrumentation::profiler& p) {
    profilers_.push_back(p);
    return *this;
}

live_facts& live_facts::add(const instrumentation::slow_spotter& spotter) {
    slow_.push_back(spotter.log());
    return *this;
}

live_facts& live_facts::add(const instrumentation::cpu_profiler& p) {
    cpu_ = p.options();
    return *this;
}

live_facts& live_facts::add(const instrumentation::wait_profiler& p) {
    waits_.push_back(p.reader());
    return *this;
}

live_facts& live_facts::add(const instrumentation::memory_profiler& /*p*/) {
    counts_memory_ = true;
    return *this;
}

report::time_table live_facts::time_stats() {
    report::time_table table;
    for (const auto& p : profilers_) {
        instrumentation::merge_times(table, p.time_stats());
    }
    return table;
}

report::task_list live_facts::tasks(std::size_t limit) {
    return instrumentation::snapshot_tasks(loops_, limit);
}

report::task_list live_facts::tasks_with_stacks(std::size_t limit) {
    return instrumentation::snapshot_tasks(loops_, limit, instrumentation::stacks::with);
}

std::vector<report::slow_step> live_facts::slow_steps() {
    return instrumentation::merged_records(slow_);
}

std::vector<report::loop_stats> live_facts::loop_stats() {
    return instrumentation::snapshot_loops(loops_);
}

report::memory_table live_facts::memory_stats(report::memory_key by,
                                              const report::memory_filter& filter) {
    report::memory_table table;
    for (const auto& p : profilers_) {
        report::merge_memory(table, p.memory_stats(by, filter));
    }
    return table;
}

report::profile live_facts::cpu_profile(const cpu_profile_request& wanted,
                                        const std::stop_token& stop) {
    if (!cpu_) { return facts_source::cpu_profile(wanted, stop); }
    auto options = *cpu_;
    options.frequency = wanted.frequency;
    try {
        return instrumentation::cpu_profiler(options).collect(wanted.length, stop);
    } catch (const instrumentation::already_sampled_error&) {
        throw no_facts_error(no_facts_error::reason::busy,
                             "a CPU profile of this program is being made already; ask again when "
                             "it has ended");
    }
}

report::profile live_facts::wait_profile() {
    if (waits_.empty()) { return facts_source::wait_profile(); }
    auto first = waits_.front()();
    report::profile_builder builder(first.kind, first.values);
    builder.add(first);
    for (auto read = waits_.begin() + 1; read != waits_.end(); ++read) {
        const auto next = (*read)();
        builder.add(next);
        first.duration = std::max(first.duration, next.duration);
        first.dropped += next.dropped;
    }
    auto sum = builder.take();
    sum.duration = first.duration;
    sum.dropped = first.dropped;
    return sum;
}

// What is counted is the process's, so that any memory profiler reads it.
report::profile live_facts::memory_profile() {
    if (!counts_memory_) { return facts_source::memory_profile(); }
    return instrumentation::memory_profiler().snapshot().to_profile();
}

profiler_server::profiler_server(std::initializer_list<watched_loop> loops, const endpoint& where,
                                 const server_options& options)
    : profiler_server(facts_about_all(loops), where, options) {}

}  // namespace coroscope::profiler_server
