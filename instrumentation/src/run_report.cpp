// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/run_report.hpp>

#include <coroscope/instrumentation/lints.hpp>
#include <coroscope/instrumentation/races/race_detector.hpp>
#include <coroscope/instrumentation/snapshots.hpp>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <iostream>
#include <iterator>
#include <optional>
#include <utility>

namespace coroscope::instrumentation {

run_report::run_report(std::string program)
    : program_(program.empty() ? program_invocation_short_name : std::move(program)),
      started_(std::chrono::system_clock::now()) {}

run_report& run_report::add(const slow_spotter& spotter) {
    slow_.push_back(spotter.log());
    return *this;
}

run_report& run_report::add(const profiler& p) {
    profilers_.push_back(p);
    return *this;
}

run_report& run_report::add(const lints& l) {
    findings_.push_back(l.log());
    return *this;
}

run_report& run_report::add(const race_detector& races) {
    findings_.push_back(races.log());
    return *this;
}

run_report& run_report::add(const loop& l) {
    loops_.push_back(l.id());
    return *this;
}

report::report run_report::make() const {
    report::report made;
    made.program = program_;
    made.started = started_;
    made.finished = std::chrono::system_clock::now();
    add_slow_steps(made);
    for (const auto& log : findings_) {
        auto found = log->findings();
        std::move(found.begin(), found.end(), std::back_inserter(made.findings));
        made.findings_dropped += log->dropped();
    }
    for (const auto& p : profilers_) {
        merge_times(made.time, p.time_stats());
    }
    made.loops = snapshot_loops(loops_);
    return made;
}

void run_report::add_slow_steps(report::report& to) const {
    std::optional<duration> threshold;
    for (const auto& log : slow_) {
        if (const auto recorded_at = log->threshold()) {
            threshold = std::max(threshold.value_or(*recorded_at), *recorded_at);
        }
        to.slow_steps_dropped += log->dropped();
    }
    to.slow_steps = merged_records(slow_);
    to.slow_threshold = threshold.value_or(duration::max());
}

report_at_exit::report_at_exit(run_report report, std::filesystem::path path)
    : report_(std::move(report)),
      path_(std::move(path)) {}

report_at_exit::~report_at_exit() {
    try {
        write();
    } catch (const std::exception& failure) {
        std::cerr << "coroscope: the report was not written: " << failure.what() << std::endl;
    }
}

void report_at_exit::write() const {
    report::write_report(report_.make(), path_);
}

}  // namespace coroscope::instrumentation
