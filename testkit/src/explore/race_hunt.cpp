// SPDX-License-Identifier: Apache-2.0
#include "race_hunt.hpp"

#include "recorded_run.hpp"
#include "shrink.hpp"

#include <coroscope/instrumentation/races.hpp>
#include <coroscope/runtime/detail/tick_clock.hpp>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

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

/// The seen ones are a part of a hunt that is kept small beside what the strategy then tries.
[[nodiscard]] reversal_limits limits_for(std::uint64_t most_executions) {
    reversal_limits most;
    most.seen = static_cast<std::size_t>(std::min<std::uint64_t>(most.seen, most_executions / 4));
    most.unseen =
        static_cast<std::size_t>(std::min<std::uint64_t>(most.unseen, most_executions / 16));
    return most;
}

/// An order to try, and what it was predicted by, or else what it would be a witness of.
struct directed_run {
    schedule steered;
    std::optional<report::finding> predicted;
    instrumentation::failed_reversal reversed;
};

class hunter {
public:
    hunter(const explored_test& test, const explore_options& options, await_site where)
        : test_(test),
          environment_(options.test, where) {
        environment_.expect_outcomes(test.serial);
    }

    /// What is predicted may be much: half of the executions are the strategy's.
    [[nodiscard]] race_hunt hunt(std::uint64_t most_executions, std::uint64_t deadline) {
        if (most_executions == 0) { return {}; }
        const auto most = std::min(1 + most_executions / 2, most_executions);
        if (environment_.has_failed_before()) {
            fail("before the first execution", "", std::move(environment_.result()));
            return std::move(found_);
        }
        const auto runs = record(limits_for(most_executions));
        for (const auto& run : runs) {
            if (found_.executions >= most || tick_clock::now() >= deadline) { break; }
            // Who predicted something wants to know what came of it; others have done their duty.
            if (found_.failure.has_value() && !run.predicted.has_value()) { break; }
            confirm(run);
        }
        return std::move(found_);
    }

private:
    /// The order that is recorded may fail itself: by what the detector has seen happen, too.
    [[nodiscard]] std::vector<directed_run> record(const reversal_limits& most) {
        instrumentation::race_options watching;
        watching.runs_in_default_order = true;
        race_detector detector(watching);
        recorded_run strategy(most);
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
            add_race(raced, *seen);
            fail(recorded, "", std::move(raced));
            return runs;
        }
        for (auto& each : detector.candidates()) {
            add(runs, {schedule_of(each, environment_.driver()), std::move(each.what), {}});
        }
        for (const auto& each : strategy.orders()) {
            schedule steered;
            steered.holds.push_back(each.steered);
            add(runs, {std::move(steered), {}, each.what});
        }
        return runs;
    }

    /// Unless it is there.
    void add(std::vector<directed_run>& to, directed_run made) {
        made.steered.seed = environment_.seed();
        const bool is_known =
            !made.predicted.has_value()
            && std::ranges::find(to, made.steered, &directed_run::steered) != to.end();
        if (!is_known) { to.push_back(std::move(made)); }
    }

    /// What has happened did so in the default order.
    void say_how_to_replay() {
        schedule default_order;
        default_order.seed = environment_.seed();
        for (auto& each : found_.findings) {
            if (each.verdict == report::verdict::confirmed) {
                set_replay(each, to_text(default_order));
            }
        }
    }

    /// In the place of what a detector says, who knows no schedules.
    static void set_replay(report::finding& of, const std::string& in_order) {
        auto line = std::ranges::find(of.evidence, "replay", &report::evidence_item::label);
        if (line == of.evidence.end()) { line = of.evidence.insert(line, {"replay", {}, {}, {}}); }
        line->text = in_order;
    }

    void confirm(const directed_run& run) {
        race_detector detector;
        environment_.detect_with(&detector);
        auto done = run_schedule(environment_, test_, run.steered);
        environment_.detect_with(nullptr);
        ++found_.executions;
        if (done.result.ok() && environment_.has_failed_since()) {
            done.result = std::move(environment_.result());
        }
        auto seen = detector.findings();
        std::erase_if(
            seen, [](const report::finding& f) { return f.verdict != report::verdict::confirmed; });
        if (done.result.ok() && seen.empty()) { return; }
        // What another order would not change, such as a machine that is too slow, is no witness.
        const bool is_witness = done.result.ok() || depends_on_order(done.result);
        if (done.result.ok()) { add_race(done.result, seen.front()); }
        const auto text = to_text(run.steered);
        const auto rule = tell(is_witness ? findings_of(run, std::move(seen)) : seen, text);
        if (found_.failure.has_value()) { return; }
        fail(is_witness ? "a directed execution: " + rule : "a directed execution", text,
             std::move(done.result));
    }

    static void add_race(test_result& to, const report::finding& seen) {
        to.failures.push_back({failure_kind::race, seen.message, nullptr, {}});
    }

    /// What was predicted; or else what a detector has seen happen; or else what was turned round.
    [[nodiscard]] static std::vector<report::finding> findings_of(
        const directed_run& run, std::vector<report::finding> seen) {
        if (run.predicted.has_value()) { return {*run.predicted}; }
        if (seen.empty()) { seen.push_back(describe(run.reversed)); }
        return seen;
    }

    /// Gives the rule of the first, if there is one. What was told before keeps its schedule.
    std::string tell(std::vector<report::finding> confirmed, const std::string& in_order) {
        auto rule = confirmed.empty() ? std::string() : confirmed.front().rule;
        for (auto& each : confirmed) {
            auto told =
                std::ranges::find(found_.findings, each.fingerprint, &report::finding::fingerprint);
            if (told == found_.findings.end()) {
                told = found_.findings.insert(told, std::move(each));
            } else if (told->verdict == report::verdict::confirmed) {
                continue;
            }
            told->verdict = report::verdict::confirmed;
            set_replay(*told, in_order);
        }
        return rule;
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
