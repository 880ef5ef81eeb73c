// SPDX-License-Identifier: Apache-2.0
#include "race_hunt.hpp"

#include "random_walk.hpp"

#include <coroscope/instrumentation/races.hpp>

#include <algorithm>
#include <string>
#include <utility>

namespace coroscope::testkit::detail {
namespace {

using instrumentation::race_candidate;
using instrumentation::race_detector;

/// In terms of spawn paths, while the execution is known that the candidate's ids are of.
[[nodiscard]] schedule schedule_of(const race_candidate& candidate, schedule_driver& driver) {
    schedule steered;
    for (const auto& each : candidate.holds) {
        steered.holds.push_back(
            {driver.path_of(each.held), each.await, driver.path_of(each.until), each.passed});
    }
    return steered;
}

struct directed_run {
    race_candidate candidate;
    schedule steered;
};

class hunter {
public:
    hunter(const explored_test& test, const explore_options& options, await_site where)
        : test_(test),
          environment_(options.test, where) {
        environment_.expect_outcomes(test.serial);
    }

    [[nodiscard]] race_hunt hunt(std::uint64_t most_executions) {
        if (environment_.has_failed_before() || most_executions == 0) { return {}; }
        const auto runs = record();
        for (const auto& run : runs) {
            if (found_.executions == most_executions) { break; }
            confirm(run);
        }
        return std::move(found_);
    }

private:
    /// A default order that fails needs no detector to be found; what is known then stays.
    [[nodiscard]] std::vector<directed_run> record() {
        race_detector detector;
        default_order strategy;
        environment_.detect_with(&detector);
        const auto& result =
            environment_.run(strategy, environment_.seed(), test_.max_steps, test_.body);
        environment_.detect_with(nullptr);
        ++found_.executions;
        found_.findings = detector.findings();
        std::vector<directed_run> runs;
        if (!result.ok()) { return runs; }
        for (auto& each : detector.candidates()) {
            auto steered = schedule_of(each, environment_.driver());
            steered.seed = environment_.seed();
            runs.push_back({std::move(each), std::move(steered)});
        }
        return runs;
    }

    void confirm(const directed_run& run) {
        auto done = run_schedule(environment_, test_, run.steered);
        ++found_.executions;
        if (done.result.ok()) { return; }
        const auto text = to_text(run.steered);
        const auto told = std::ranges::find(found_.findings, run.candidate.what.fingerprint,
                                            &report::finding::fingerprint);
        if (told != found_.findings.end()) {
            told->verdict = report::verdict::confirmed;
            told->evidence.push_back({"replay", text, {}, {}});
        }
        if (found_.failure.has_value()) { return; }
        exploration_failure failure;
        failure.number = found_.executions;
        failure.found_by = "a directed execution: " + run.candidate.what.rule;
        failure.schedule = text;
        failure.result = std::move(done.result);
        found_.failure = std::move(failure);
    }

    const explored_test& test_;
    explored_environment environment_;
    race_hunt found_;
};

}  // namespace

race_hunt hunt_races(const explored_test& test, const explore_options& options, await_site where) {
    return hunter(test, options, where).hunt(options.max_executions);
}

}  // namespace coroscope::testkit::detail
