// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/report/report.hpp>

#include <nlohmann/json_fwd.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace coroscope::report {

/// How many slow steps a run may have, and which findings: none, of those that count.
struct gate_budget {
    std::chrono::nanoseconds threshold{0};  ///< steps that took at least this count
    std::uint64_t max_slow = 0;             ///< so many are still allowed
    bool judges_steps = true;       ///< false: findings alone, also where no steps were recorded
    bool counts_predicted = false;  ///< findings that nobody has seen happen count as well
};

enum class gate_verdict {
    pass,      ///< within the budget
    fail,      ///< over it, or there are findings
    unusable,  ///< the report cannot answer the question
};

/// The slow steps of one place: one span of source lines, in whatever tasks.
struct gate_place {
    std::string span;         ///< as `describe_span` says it, `file:line` first
    source_position where;    ///< the line to open
    std::string fingerprint;  ///< of the place; a baseline is compared by it
    std::string name;         ///< of the slowest step's task
    std::string cause;        ///< what kept that step, where somebody watched it; else empty
    std::uint64_t count = 0;
    std::chrono::nanoseconds max{0};
    std::chrono::nanoseconds total{0};
};

struct gate_result {
    gate_verdict verdict = gate_verdict::pass;
    std::uint64_t slow = 0;                ///< steps that count
    std::uint64_t in_baseline = 0;         ///< steps that the baseline excuses
    std::vector<gate_place> places;        ///< of the steps that count, slowest first
    std::vector<finding> findings;         ///< that count
    std::uint64_t known_findings = 0;      ///< that the baseline excuses
    std::uint64_t predicted_findings = 0;  ///< that do not count, since nobody has seen them happen
    /// What the baseline has and the run has not, a line each: it was mended, or did not come up.
    std::vector<std::string> stale;
    std::vector<std::string>
        lines;  ///< the whole answer for people, `file:line: ...` for each place
};

/// Judges a report by a budget. Findings count if they are confirmed, and no mere notes, but for
/// slow steps told as findings, which have the budget.
///
/// With a baseline, steps in functions that were already slow there (at this threshold) are
/// excused: places are compared by fingerprint, so a second slow span in such a function is excused
/// too. So are findings that were there, whatever the verdict was.
///
/// Never guesses. Unusable are, where steps are judged: a report without a spotter, and so without
/// a threshold; a threshold below the one that the report, or the baseline, was recorded at, since
/// the steps between the two were not recorded; and a report whose dropped slow steps could turn a
/// pass into a fail. Findings that were dropped are told, and fail nothing.
[[nodiscard]] gate_result check_gate(const report& run, const gate_budget& budget,
                                     const report* baseline = nullptr);

/// The findings that are to fail a build: confirmed, or predicted if those count, of this severity
/// or worse, and not in the baseline, which is compared by fingerprint.
[[nodiscard]] std::vector<finding> new_findings(const report& run, const report* baseline = nullptr,
                                                severity from = severity::warning,
                                                bool counts_predicted = false);

/// 0 pass, 1 fail, 2 unusable.
[[nodiscard]] int exit_code(gate_verdict verdict);

[[nodiscard]] std::string_view to_string(gate_verdict verdict);
[[nodiscard]] nlohmann::json to_json(const gate_result& result);

}  // namespace coroscope::report
