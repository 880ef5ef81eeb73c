// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/report/json_view.hpp>
#include <coroscope/report/source_position.hpp>
#include <coroscope/report/stack.hpp>

#include <nlohmann/json_fwd.hpp>

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace coroscope::report {

/// How bad it is if it is so.
enum class severity {
    note,     ///< worth knowing
    warning,  ///< costs time or memory, or will break under load
    error,    ///< wrong results, a crash, or a program that hangs
};

/// How sure we are.
enum class verdict {
    confirmed,  ///< it happened in this run, or a replayable schedule shows it
    predicted,  ///< could happen; nobody has seen it happen, so it fails no gate by default
    benign,     ///< it happened and has been judged harmless
};

/// One more fact that supports a finding: the other task, the other access, the stack.
struct evidence_item {
    std::string label;      ///< what this is: `writer`, `created at`, `schedule`
    std::string text;       ///< for people
    source_position where;  ///< empty where the fact has no line
    std::optional<report::stack> stack;

    friend bool operator==(const evidence_item&, const evidence_item&) = default;
};

/// One problem in somebody's program, in the form that every part exchanges.
///
/// Findings are values: printing, storing and judging them is somebody else's job.
struct finding {
    std::string rule;  ///< which check: `slow-step`, `race`, `lock-order`
    report::severity severity = report::severity::warning;
    report::verdict verdict = report::verdict::confirmed;
    std::string
        fingerprint;      ///< the same problem has the same one from run to run: `make_fingerprint`
    std::string message;  ///< one paragraph, ending with what to do next
    source_position where;  ///< the line to open first
    std::vector<evidence_item> evidence;

    friend bool operator==(const finding&, const finding&) = default;
};

/// The identity of a problem: 16 hex digits, a hash of the rule and of the functions it happened
/// in.
///
/// Of every position the file's base name and the function count. Lines and directories do not,
/// so neither an edit above the problem nor a build in another directory makes it a new one; nor do
/// the lines and directories that clang writes into the names of lambdas. Two problems of one
/// rule in the same functions therefore share a fingerprint; where that is too coarse, `detail`
/// tells them apart (the name of a variable, say; never an address or an id). The order of
/// positions counts.
[[nodiscard]] std::string make_fingerprint(std::string_view rule,
                                           std::span<const source_position> where,
                                           std::string_view detail = {});

[[nodiscard]] std::string_view to_string(severity value);
[[nodiscard]] std::string_view to_string(verdict value);

[[nodiscard]] nlohmann::json to_json(const evidence_item& item);
[[nodiscard]] nlohmann::json to_json(const finding& finding);
[[nodiscard]] evidence_item read_evidence_item(const json_view& json);
[[nodiscard]] finding read_finding(const json_view& json);

}  // namespace coroscope::report
