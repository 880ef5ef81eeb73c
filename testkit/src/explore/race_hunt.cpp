// SPDX-License-Identifier: Apache-2.0
#include "race_hunt.hpp"

#include "random_walk.hpp"

#include <coroscope/instrumentation/races.hpp>
#include <coroscope/runtime/detail/tick_clock.hpp>

#include <algorithm>
#include <string>
#include <utility>

namespace coroscope::testkit::detail {
namespace {

using coroscope::detail::tick_clock;
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

constexpr const char* recorded = "the recorded execution";

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

    [[nodiscard]] race_hunt hunt(std::uint64_t most_executions, std::uint64_t deadline) {
        if (most_executions == 0) { return {}; }
        if (environment_.has_failed_before()) {
            fail("before the first execution", "", std::move(environment_.result()));
            return std::move(found_);
        }
        const auto runs = record();
        for (const auto& run : runs) {
            if (found_.executions == most_executions || tick_clock::now() >= deadline) { break; }
            confirm(run);
        }
        return std::move(found_);
    }

private:
    /// The order that is recorded may fail itself: by what the detector has seen happen, too.
    [[nodiscard]] std::vector<directed_run> record() {
        instrumentation::race_options watching;
        watching.runs_in_default_order = true;
        race_detector detector(watching);
        default_order strategy;
        environment_.detect_with(&detector);
        const auto& result =
            environment_.run(strategy, environment_.seed(), test_.max_steps, test_.body);
        environment_.detect_with(nullptr);
        ++found_.executions;
        found_.findings = detector.findings();
        say_how_to_replay();
        std::vector<directed_run> runs;
        if (!result.ok() || environment_.has_failed_since()) {
            fail(recorded, "", std::move(environment_.result()));
            return runs;
        }
        const auto seen = std::ranges::find(found_.findings, report::verdict::confirmed,
                                            &report::finding::verdict);
        if (seen != found_.findings.end()) {
            auto raced = result;
            raced.failures.push_back({failure_kind::race, seen->message, nullptr, {}});
            fail(recorded, "", std::move(raced));
            return runs;
        }
        for (auto& each : detector.candidates()) {
            auto steered = schedule_of(each, environment_.driver());
            steered.seed = environment_.seed();
            runs.push_back({std::move(each), std::move(steered)});
        }
        return runs;
    }

    /// What has happened did so in the default order.
    void say_how_to_replay() {
        schedule default_order;
        default_order.seed = environment_.seed();
        for (auto& each : found_.findings) {
            if (each.verdict != report::verdict::confirmed) { continue; }
            auto line = std::ranges::find(each.evidence, "replay", &report::evidence_item::label);
            if (line == each.evidence.end()) {
                line = each.evidence.insert(line, {"replay", {}, {}, {}});
            }
            line->text = to_text(default_order);
        }
    }

    void confirm(const directed_run& run) {
        auto done = run_schedule(environment_, test_, run.steered);
        ++found_.executions;
        if (done.result.ok() && environment_.has_failed_since()) {
            done.result = std::move(environment_.result());
        }
        if (done.result.ok()) { return; }
        const auto text = to_text(run.steered);
        const auto told = std::ranges::find(found_.findings, run.candidate.what.fingerprint,
                                            &report::finding::fingerprint);
        if (told != found_.findings.end()) {
            told->verdict = report::verdict::confirmed;
            told->evidence.push_back({"replay", text, {}, {}});
        }
        if (found_.failure.has_value()) { return; }
        fail("a directed execution: " + run.candidate.what.rule, text, std::move(done.result));
    }

    /// Without a schedule: in the default order.
    void fail(std::string found_by, const std::string& in_order, test_result result) {
        schedule default_order;
        default_order.seed = environment_.seed();
        exploration_failure failure;
        failure.number = found_.executions;
        failure.found_by = std::move(found_by);
        failure.schedule = in_order.empty() ? to_text(default_order) : in_order;
        failure.result = std::move(result);
        found_.failure = std::move(failure);
    }

    const explored_test& test_;
    explored_environment environment_;
    race_hunt found_;
};

}  // namespace

race_hunt hunt_races(const explored_test& test, const explore_options& options, await_site where,
                     std::uint64_t deadline) {
    return hunter(test, options, where).hunt(options.max_executions, deadline);
}

}  // namespace coroscope::testkit::detail
