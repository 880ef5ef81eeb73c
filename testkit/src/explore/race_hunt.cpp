// SPDX-License-Identifier: Apache-2.0
#include "race_hunt.hpp"

#include "directed_run.hpp"
#include "failure_cause.hpp"
#include "recorded_run.hpp"
#include "shrink.hpp"
#include "step_positions.hpp"

#include <coroscope/instrumentation/races.hpp>
#include <coroscope/runtime/detail/tick_clock.hpp>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
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

constexpr std::size_t most_bases = 16;  ///< first pairs that second ones are looked for after
constexpr std::size_t most_of_one_base = 16;
constexpr std::size_t most_further = 64;

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
        most_ = std::min(1 + most_executions / 2, most_executions);
        deadline_ = deadline;
        if (environment_.has_failed_before()) {
            fail("before the first execution", "", std::move(environment_.result()));
            return std::move(found_);
        }
        recorded_run first(limits_for(most_executions));
        first_ = &first;
        const auto runs = record(first);
        if (found_.failure.has_value()) {
            explain(runs);
            return std::move(found_);
        }
        try_all(runs);
        if (!found_.failure.has_value()) {
            try_all(go_further(runs, std::min<std::size_t>(most_further, most_executions / 8)));
        }
        return std::move(found_);
    }

private:
    [[nodiscard]] bool has_budget() const {
        return found_.executions < most_ && tick_clock::now() < deadline_;
    }

    void try_all(const std::vector<directed_run>& runs) {
        tried_ = &runs;
        for (const auto& run : runs) {
            // Who predicted something wants to know what came of it; others have done their duty.
            if (!has_budget() || (found_.failure.has_value() && !run.predicted.has_value())) {
                return;
            }
            confirm(run);
        }
    }

    /// The order that is recorded may fail itself: by what the detector has seen happen, too.
    [[nodiscard]] std::vector<directed_run> record(recorded_run& strategy) {
        instrumentation::race_options watching;
        watching.runs_in_default_order = true;
        race_detector detector(watching);
        environment_.detect_with(&detector);
        std::vector<step_trace> trace;
        environment_.driver().set_trace(&trace);
        const auto& result =
            environment_.run(strategy, environment_.seed(), test_.max_steps, test_.body);
        environment_.driver().set_trace(nullptr);
        environment_.detect_with(nullptr);
        ++found_.executions;
        const step_positions positions(environment_.driver().agents(), trace);
        found_.findings = detector.findings();
        say_how_to_replay();
        std::vector<directed_run> runs;
        for (auto& each : detector.candidates()) {
            auto steered = schedule_of(each, environment_.driver());
            const bool has_happened = positions.have_kept(steered);
            add(runs, {std::move(steered), std::move(each.what), {}, 0, has_happened});
        }
        for (const auto& each : strategy.orders()) {
            schedule steered;
            steered.holds.push_back(each.steered);
            add(runs, {std::move(steered), {}, each.what, each.site});
        }
        const auto seen = std::ranges::find(found_.findings, report::verdict::confirmed,
                                            &report::finding::verdict);
        if (!result.ok() || environment_.has_failed_since()) {
            fail(recorded, "", std::move(environment_.result()));
        } else if (seen != found_.findings.end()) {
            auto raced = result;
            add_race(raced, *seen);
            fail(recorded, "", std::move(raced));
        }
        return runs;
    }

    /// Unless something is told of the recorded execution already.
    void explain(const std::vector<directed_run>& runs) {
        const bool is_told = std::ranges::any_of(found_.findings, is_confirmed);
        if (is_told || !depends_on_order(found_.failure->result)) { return; }
        auto cause = find_cause(environment_, test_, runs, {most_ - found_.executions, deadline_});
        found_.executions += cause.executions;
        if (cause.found.has_value()) { tell({*std::move(cause.found)}, to_text(default_order())); }
    }

    /// One pair turned round makes others possible: those whose order is another one now than in
    /// the recorded execution. Lines that were tried less come first.
    [[nodiscard]] std::vector<directed_run> go_further(const std::vector<directed_run>& tried,
                                                       std::size_t most) {
        std::unordered_map<std::uint64_t, std::size_t> tries;
        for (const auto& each : tried) {
            if (!each.predicted.has_value()) { tries[each.site] = 1; }
        }
        std::multimap<std::size_t, directed_run> by_tries;
        for (auto& [rank, run] : further_) {
            by_tries.emplace(tries[run.site]++, std::move(run));
        }
        std::vector<directed_run> runs;
        for (auto& [tried_before, run] : by_tries) {
            if (runs.size() < most) { add(runs, std::move(run)); }
        }
        return runs;
    }

    /// Runs one pair the other way round, and keeps what is to be tried if nothing fails.
    [[nodiscard]] scheduled_run turn_round(const directed_run& run) {
        recorded_run again({most_of_one_base, 0}, run.steered, first_);
        scheduled_run done;
        done.result = environment_.run(again, environment_.seed(), test_.max_steps, test_.body);
        ++bases_;
        const auto& held = run.steered.holds.front();
        const hold back{held.until, held.passed, held.agent, held.await};
        for (const auto& each : again.orders()) {
            if (each.steered == back) { continue; }
            directed_run made{run.steered, {}, each.what, each.site, false};
            made.steered.holds.push_back(each.steered);
            made.reversed.also = {run.reversed};
            const auto rank = static_cast<std::size_t>(&each - again.orders().data());
            further_.emplace(rank, std::move(made));
        }
        return done;
    }

    /// Unless it is there.
    void add(std::vector<directed_run>& to, directed_run made) {
        made.steered.seed = environment_.seed();
        const bool is_known =
            !made.predicted.has_value()
            && std::ranges::find(to, made.steered, &directed_run::steered) != to.end();
        if (!is_known) { to.push_back(std::move(made)); }
    }

    [[nodiscard]] schedule default_order() const {
        schedule order;
        order.seed = environment_.seed();
        return order;
    }

    /// What has happened did so in the default order.
    void say_how_to_replay() {
        for (auto& each : found_.findings) {
            if (each.verdict == report::verdict::confirmed) {
                set_replay(each, to_text(default_order()));
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
        const bool is_base =
            run.steered.holds.size() == 1 && !run.predicted.has_value() && bases_ < most_bases;
        auto done = is_base ? turn_round(run) : run_schedule(environment_, test_, run.steered);
        environment_.detect_with(nullptr);
        ++found_.executions;
        if (done.result.ok() && environment_.has_failed_since()) {
            done.result = std::move(environment_.result());
        }
        auto seen = detector.findings();
        std::erase_if(seen, [](const report::finding& f) { return !is_confirmed(f); });
        if (done.result.ok() && seen.empty()) {
            if (is_refuted(run, detector, done.trace)) { forget(*run.predicted); }
            return;
        }
        // What another order would not change, such as a machine that is too slow, is no witness.
        const bool is_witness = done.result.ok() || depends_on_order(done.result);
        auto told = is_witness ? findings_of(run, seen, done.result.ok()) : seen;
        if (done.result.ok()) { add_race(done.result, seen.front()); }
        const auto text = to_text(run.steered);
        const auto rule = tell(std::move(told), text);
        if (found_.failure.has_value()) { return; }
        fail(is_witness ? "a directed execution: " + rule : "a directed execution", text,
             std::move(done.result));
    }

    /// The order came about, and nothing of the kind happened in it: the program has noticed.
    [[nodiscard]] bool is_refuted(const directed_run& run, race_detector& detector,
                                  const std::vector<step_trace>& trace) {
        if (!run.predicted.has_value() || run.has_happened) { return false; }
        const step_positions positions(environment_.driver().agents(), trace);
        if (!positions.have_kept(run.steered)) { return false; }
        const auto candidates = detector.candidates();
        return std::ranges::none_of(candidates, [&](const race_candidate& each) {
            return each.what.rule == run.predicted->rule
                   && positions.have_kept(schedule_of(each, environment_.driver()));
        });
    }

    /// Unless something else of that kind at the same lines has happened.
    void forget(const report::finding& predicted) {
        const auto& all = *tried_;
        const bool has_happened = std::ranges::any_of(all, [&](const directed_run& each) {
            return each.has_happened && each.predicted.has_value()
                   && each.predicted->fingerprint == predicted.fingerprint;
        });
        if (has_happened) { return; }
        std::erase_if(found_.findings, [&](const report::finding& f) {
            return f.fingerprint == predicted.fingerprint && !is_confirmed(f);
        });
    }

    static void add_race(test_result& to, const report::finding& seen) {
        to.failures.push_back({failure_kind::race, seen.message, nullptr, {}});
    }

    /// What was predicted, unless all that there is to see is something else; and what a detector
    /// has seen happen; or else what was turned round.
    [[nodiscard]] static std::vector<report::finding> findings_of(const directed_run& run,
                                                                  std::vector<report::finding> seen,
                                                                  bool is_only_seen) {
        if (run.predicted.has_value()) {
            const auto like = std::ranges::find(seen, run.predicted->rule, &report::finding::rule);
            if (is_only_seen && like == seen.end()) { return seen; }
            seen.insert(seen.begin(), *run.predicted);
        }
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
            } else {
                add_order_that_passes(*told, each);
            }
            told->verdict = report::verdict::confirmed;
            set_replay(*told, in_order);
        }
        return rule;
    }

    /// Without a schedule: in the default order.
    void fail(std::string found_by, const std::string& in_order, test_result result) {
        exploration_failure failure;
        failure.number = found_.executions;
        failure.found_by = std::move(found_by);
        failure.schedule = in_order.empty() ? to_text(default_order()) : in_order;
        failure.result = std::move(result);
        found_.failure = std::move(failure);
    }

    const explored_test& test_;
    explored_environment environment_;
    std::uint64_t most_ = 0;
    std::uint64_t deadline_ = 0;
    const recorded_run* first_ = nullptr;
    const std::vector<directed_run>* tried_ = nullptr;
    std::size_t bases_ = 0;
    std::multimap<std::size_t, directed_run> further_;  ///< by their rank in their base
    race_hunt found_;
};

}  // namespace

race_hunt hunt_races(const explored_test& test, const explore_options& options, await_site where,
                     std::uint64_t deadline) {
    return hunter(test, options, where).hunt(options.max_executions, deadline);
}

}  // namespace coroscope::testkit::detail
