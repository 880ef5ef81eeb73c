// SPDX-License-Identifier: Apache-2.0
#include "serial_outcomes.hpp"

#include "orphans.hpp"
#include "run_schedule.hpp"
#include "serial_walk.hpp"

#include <coroscope/testkit/explore.hpp>

#include <coroscope/runtime/detail/tick_clock.hpp>

#include <algorithm>
#include <iterator>
#include <sstream>
#include <vector>

namespace coroscope::testkit::detail {
namespace {

[[nodiscard]] std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) {
        lines.push_back(line);
    }
    return lines;  // sorted, as names are
}

[[nodiscard]] std::size_t distance(const std::string& a, const std::string& b) {
    std::vector<std::string> different;
    std::ranges::set_symmetric_difference(lines_of(a), lines_of(b), std::back_inserter(different));
    return different.size();
}

[[nodiscard]] std::string indented(const std::string& outcome) {
    std::string text;
    for (const auto& line : lines_of(outcome)) {
        text += "\n        " + line;
    }
    return text.empty() ? "\n        no effects" : text;
}

[[nodiscard]] std::string counted(std::uint64_t n, const std::string& what) {
    return std::to_string(n) + " " + what + (n == 1 ? "" : "s");
}

}  // namespace

std::string serial_outcomes::describe(const std::string& outcome) const {
    const auto nearest = std::ranges::min_element(
        texts, {}, [&](const std::string& text) { return distance(text, outcome); });
    return "no serial run has this outcome: done one after the other, in whatever order, the "
           "operations never come to it, so they have spoiled each other's work here\n    "
           "outcome:"
           + indented(outcome) + "\n    "
           + (texts.size() == 1 ? "the outcome"
                                : "the nearest of " + counted(texts.size(), "outcome"))
           + " of " + counted(runs, "serial run") + ":" + indented(*nearest);
}

serial_outcomes find_serial_outcomes(const explored_test& test, const explore_options& options,
                                     await_site where, std::uint64_t deadline) {
    serial_outcomes found;
    if (has_orphans()) {  // the exploration fails on those, before its first execution
        found.trouble = "an exception had surfaced before";
        return found;
    }
    explored_environment environment(options.test, where);
    environment.keep_outcomes();
    serial_walk walk(environment);
    if (options.max_early_timeouts > 0) {
        found.trouble =
            "a time limit may be up early (explore_options::max_early_timeouts), which "
            "none is in a serial run";
    }
    while (found.trouble.empty() && !walk.exhausted()) {
        if (found.runs == options.max_serial_runs) {
            found.trouble = "there are more than " + counted(found.runs, "serial run")
                            + " (explore_options::max_serial_runs)";
            break;
        }
        if (coroscope::detail::tick_clock::now() >= deadline) {
            found.trouble = "the time was up after " + counted(found.runs, "serial run");
            break;
        }
        ++found.runs;
        const auto& result = environment.run(walk, environment.seed(), test.max_steps, test.body);
        // One that fails is no outcome to compare with: the exploration itself fails on those.
        if (result.ok() && !environment.has_failed_since()) {
            found.texts.insert(environment.outcome());
        }
        found.trouble = walk.trouble();
    }
    if (found.trouble.empty() && found.texts.empty()) { found.trouble = "every serial run fails"; }
    return found;
}

}  // namespace coroscope::testkit::detail
