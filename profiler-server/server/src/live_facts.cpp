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

profiler_server::profiler_server(std::initializer_list<watched_loop> loops, const endpoint& where,
                                 const server_options& options)
    : profiler_server(facts_about_all(loops), where, options) {}

}  // namespace coroscope::profiler_server
