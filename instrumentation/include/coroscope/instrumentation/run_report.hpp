// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/instrumentation/finding_log.hpp>
#include <coroscope/instrumentation/profiler.hpp>
#include <coroscope/instrumentation/slow.hpp>

#include <coroscope/report/report.hpp>
#include <coroscope/runtime/loop.hpp>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace coroscope::instrumentation {

class lints;
class race_detector;

/// Puts together what a run has to say: the slow steps of its spotters, the findings of its lints
/// and race detectors, the statistics of its profilers, the figures of its loops.
///
///     coroscope::instrumentation::run_report report("docserver");
///     report.add(spotter).add(profiler);
///     coroscope::run(serve(), options);
///     coroscope::report::write_report(report.make(), "report.json");
///
/// What was added may be gone when the report is made. The report says as its `slow_threshold` the
/// highest threshold that any of its spotters recorded at; without a spotter that has seen a step,
/// the largest duration there is, so that a gate refuses it instead of passing what nobody watched.
///
/// **Thread safety**: none, but the loops, spotters and profilers may be at work meanwhile.
class run_report {
public:
    /// The run starts now. An empty name: the executable's.
    explicit run_report(std::string program = {});

    run_report& add(const slow_spotter& spotter);
    run_report& add(const profiler& p);
    run_report& add(const lints& l);
    /// What it has judged by then; ask for its `findings` before, and it has judged all.
    run_report& add(const race_detector& races);
    /// This loop's figures go into the report; without a call, those of all loops of the process.
    run_report& add(const loop& l);

    /// The report as of now, which counts as the end of the run.
    [[nodiscard]] report::report make() const;

private:
    void add_slow_steps(report::report& to) const;

    std::string program_;
    std::chrono::system_clock::time_point started_;
    std::vector<std::shared_ptr<const slow_log>> slow_;
    std::vector<std::shared_ptr<const finding_log>> findings_;
    std::vector<profiler> profilers_;
    std::vector<std::uint32_t> loops_;
};

/// Writes a report when it is destroyed, however its scope is left:
///
///     const coroscope::instrumentation::report_at_exit at_exit(report, "report.json");
///
/// A failure to write is told on standard error; call `write` to have it thrown.
/// **Lifetime**: keeps a copy of the `run_report`, so add everything first.
class report_at_exit {
public:
    report_at_exit(run_report report, std::filesystem::path path);
    report_at_exit(const report_at_exit&) = delete;
    report_at_exit& operator=(const report_at_exit&) = delete;
    ~report_at_exit();

    /// Writes it now, and at the end again. Throws `report::report_error`.
    void write() const;

private:
    run_report report_;
    std::filesystem::path path_;
};

}  // namespace coroscope::instrumentation
