// SPDX-License-Identifier: Apache-2.0
#include <coroscope/report/gate.hpp>

#include <coroscope/report/duration_text.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <set>
#include <string>

namespace coroscope::report {

namespace {

using fingerprints = std::set<std::string, std::less<>>;

gate_result unusable(const std::string& why) {
    gate_result result;
    result.verdict = gate_verdict::unusable;
    result.lines.push_back("gate unusable: " + why);
    return result;
}

fingerprints slow_places(const report* baseline, std::chrono::nanoseconds threshold) {
    fingerprints places;
    if (baseline != nullptr) {
        for (const auto& step : baseline->slow_steps) {
            if (step.wall >= threshold) { places.insert(fingerprint(step)); }
        }
    }
    return places;
}

void add_to_place(gate_place& place, const slow_step& step) {
    if (place.count == 0 || step.wall > place.max) {
        place.name = step.name;
        place.cause = step.cause ? describe_verdict(*step.cause) : "";
        place.max = step.wall;
    }
    place.span = describe_span(step);
    place.where = offending_position(step);
    place.fingerprint = fingerprint(step);
    place.total += step.wall;
    ++place.count;
}

void count_steps(gate_result& result, const report& run, std::chrono::nanoseconds threshold,
                 const fingerprints& excused) {
    std::map<std::string, gate_place> by_span;
    for (const auto& step : run.slow_steps) {
        if (step.wall < threshold) { continue; }
        if (excused.contains(fingerprint(step))) {
            ++result.in_baseline;
            continue;
        }
        ++result.slow;
        add_to_place(by_span[describe_span(step)], step);
    }
    for (auto& [span, place] : by_span) {
        result.places.push_back(std::move(place));
    }
    std::sort(result.places.begin(), result.places.end(), [](const auto& a, const auto& b) {
        return a.max != b.max ? a.max > b.max : a.span < b.span;
    });
}

// Dropped steps were no slower than the fastest that was kept, so only that one tells whether they
// could count.
bool dropped_could_count(const report& run, std::chrono::nanoseconds threshold) {
    return run.slow_steps_dropped > 0
           && std::all_of(run.slow_steps.begin(), run.slow_steps.end(),
                          [&](const auto& step) { return step.wall >= threshold; });
}

std::string steps(std::uint64_t count) {
    return std::to_string(count) + (count == 1 ? " slow step" : " slow steps");
}

std::string finding_line(const finding& found) {
    return to_string(found.where) + ": " + found.rule + ", " + std::string(to_string(found.verdict))
           + ": " + found.message;
}

bool has_fingerprint(const std::vector<finding>& in, const std::string& fingerprint) {
    return std::ranges::any_of(
        in, [&](const finding& each) { return each.fingerprint == fingerprint; });
}

bool has_own_budget(const finding& found) {
    return found.rule == "slow-step";
}

bool counts(const finding& found, severity from, bool counts_predicted) {
    const bool is_sure = found.verdict == verdict::confirmed
                         || (counts_predicted && found.verdict == verdict::predicted);
    return is_sure && found.severity >= from && !has_own_budget(found);
}

void count_findings(gate_result& result, const report& run, const gate_budget& budget,
                    const report* baseline) {
    const auto from = severity::warning;
    result.findings = new_findings(run, baseline, from, budget.counts_predicted);
    for (const auto& each : run.findings) {
        const bool is_none =
            each.severity < from || each.verdict == verdict::benign || has_own_budget(each);
        if (is_none) { continue; }
        const bool is_known =
            baseline != nullptr && has_fingerprint(baseline->findings, each.fingerprint);
        if (is_known) {
            ++result.known_findings;
        } else if (!counts(each, from, budget.counts_predicted)) {
            ++result.predicted_findings;
        }
    }
}

/// What is in the baseline alone.
void find_stale(gate_result& result, const report& run, const gate_budget& budget,
                const report& baseline) {
    if (budget.judges_steps) {
        auto told = slow_places(&run, budget.threshold);
        for (const auto& step : baseline.slow_steps) {
            if (step.wall < budget.threshold || !told.insert(fingerprint(step)).second) {
                continue;
            }
            result.stale.push_back(describe_span(step) + ": slow step");
        }
    }
    for (const auto& each : baseline.findings) {
        if (each.severity < severity::warning || each.verdict == verdict::benign) { continue; }
        if (has_fingerprint(run.findings, each.fingerprint)) { continue; }
        result.stale.push_back(to_string(each.where) + ": " + each.rule);
    }
}

std::string findings_text(const gate_result& result) {
    std::string text = std::to_string(result.findings.size())
                       + (result.findings.size() == 1 ? " finding" : " findings");
    if (result.known_findings > 0) {
        text += ", " + std::to_string(result.known_findings) + " more that the baseline knows";
    }
    if (result.predicted_findings > 0) {
        text += ", " + std::to_string(result.predicted_findings)
                + " more that are predicted and do not count";
    }
    return text;
}

std::string place_line(const gate_place& place) {
    return place.span + ": " + steps(place.count) + ", longest " + format_duration(place.max)
           + ", total " + format_duration(place.total)
           + (place.name.empty() ? "" : " (task '" + place.name + "')")
           + (place.cause.empty() ? "" : "; the longest was " + place.cause);
}

std::string steps_text(const gate_result& result, const gate_budget& budget) {
    return steps(result.slow) + " of " + format_duration(budget.threshold) + " or more, allowed "
           + std::to_string(budget.max_slow)
           + (result.in_baseline > 0 ? "; " + std::to_string(result.in_baseline)
                                           + " more in places that the baseline knows"
                                     : "");
}

void explain(gate_result& result, const report& run, const gate_budget& budget) {
    const bool failed = result.verdict == gate_verdict::fail;
    const bool has_findings =
        !result.findings.empty() || result.known_findings > 0 || result.predicted_findings > 0;
    std::string summary = std::string("gate ") + (failed ? "failed: " : "passed: ");
    if (budget.judges_steps) { summary += steps_text(result, budget); }
    if (budget.judges_steps && has_findings) { summary += "; "; }
    if (!budget.judges_steps || has_findings) { summary += findings_text(result); }
    result.lines.push_back(std::move(summary));
    for (const auto& place : result.places) {
        result.lines.push_back(place_line(place));
    }
    for (const auto& each : result.findings) {
        result.lines.push_back(finding_line(each));
    }
    if (run.findings_dropped > 0) {
        result.lines.push_back("the report dropped " + std::to_string(run.findings_dropped)
                               + " findings or accesses, which were not judged");
    }
    for (const auto& each : result.stale) {
        result.lines.push_back("no longer seen: " + each);
    }
    if (result.slow > budget.max_slow) {
        result.lines.push_back(
            "move the work between these lines to run_in_executor, or split it with yield_now(); "
            "then run again");
    }
}

/// Without a spotter a report has no threshold, and no steps.
bool has_steps(const report& recorded) {
    return recorded.slow_threshold != std::chrono::nanoseconds::max();
}

std::string too_coarse(const char* what, const report& recorded, const gate_budget& budget) {
    if (!has_steps(recorded)) {
        return std::string("no slow_spotter worked on ") + what
               + ", so it knows nothing of slow steps; add one, or judge with --findings-only";
    }
    return std::string(what) + " recorded steps of " + format_duration(recorded.slow_threshold)
           + " or more and knows nothing of shorter ones, so it cannot be judged at "
           + format_duration(budget.threshold) + "; record with slow_callback_duration at "
           + format_duration(budget.threshold) + " or less, or raise --threshold";
}

}  // namespace

gate_result check_gate(const report& run, const gate_budget& budget, const report* baseline) {
    if (budget.judges_steps && (!has_steps(run) || budget.threshold < run.slow_threshold)) {
        return unusable(too_coarse("the report", run, budget));
    }
    if (budget.judges_steps && baseline != nullptr && budget.threshold < baseline->slow_threshold) {
        return unusable(too_coarse("the baseline", *baseline, budget));
    }
    gate_result result;
    if (budget.judges_steps) {
        count_steps(result, run, budget.threshold, slow_places(baseline, budget.threshold));
    }
    count_findings(result, run, budget, baseline);
    if (baseline != nullptr) { find_stale(result, run, budget, *baseline); }
    if (result.slow > budget.max_slow || !result.findings.empty()) {
        result.verdict = gate_verdict::fail;
    } else if (budget.judges_steps && dropped_could_count(run, budget.threshold)
               && run.slow_steps_dropped > budget.max_slow - result.slow) {
        return unusable(
            "the report dropped " + steps(run.slow_steps_dropped)
            + " that may count; record at a higher slow_callback_duration, or keep more slow "
              "steps");
    }
    explain(result, run, budget);
    return result;
}

std::vector<finding> new_findings(const report& run, const report* baseline, severity from,
                                  bool counts_predicted) {
    std::vector<finding> found;
    for (const auto& each : run.findings) {
        const bool is_known =
            baseline != nullptr && has_fingerprint(baseline->findings, each.fingerprint);
        if (counts(each, from, counts_predicted) && !is_known) { found.push_back(each); }
    }
    return found;
}

int exit_code(gate_verdict verdict) {
    return static_cast<int>(verdict);
}

std::string_view to_string(gate_verdict verdict) {
    switch (verdict) {
    case gate_verdict::pass: return "pass";
    case gate_verdict::fail: return "fail";
    case gate_verdict::unusable: break;
    }
    return "unusable";
}

nlohmann::json to_json(const gate_result& result) {
    nlohmann::json places = nlohmann::json::array();
    for (const auto& place : result.places) {
        auto& json = places.emplace_back(nlohmann::json{{"span", place.span},
                                                        {"where", to_json(place.where)},
                                                        {"fingerprint", place.fingerprint},
                                                        {"name", place.name},
                                                        {"count", place.count},
                                                        {"max_ns", place.max.count()},
                                                        {"total_ns", place.total.count()}});
        if (!place.cause.empty()) { json["cause"] = place.cause; }
    }
    nlohmann::json findings = nlohmann::json::array();
    for (const auto& each : result.findings) {
        findings.push_back(to_json(each));
    }
    return {{"verdict", to_string(result.verdict)},
            {"slow", result.slow},
            {"in_baseline", result.in_baseline},
            {"places", std::move(places)},
            {"findings", std::move(findings)},
            {"known_findings", result.known_findings},
            {"predicted_findings", result.predicted_findings},
            {"stale", result.stale},
            {"lines", result.lines}};
}

}  // namespace coroscope::report
