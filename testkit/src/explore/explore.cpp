// SPDX-License-Identifier: Apache-2.0
#include <coroscope/testkit/explore.hpp>

#include "interleaving.hpp"
#include "progress_teller.hpp"
#include "race_hunt.hpp"
#include "run_schedule.hpp"
#include "searcher.hpp"
#include "seed.hpp"
#include "serial_outcomes.hpp"
#include "shrink.hpp"
#include "unfinished_test.hpp"

#include <coroscope/instrumentation/races/race_detector.hpp>
#include <coroscope/runtime/detail/tick_clock.hpp>

#include <algorithm>
#include <charconv>
#include <exception>
#include <iterator>
#include <limits>
#include <memory>
#include <ostream>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <utility>

namespace coroscope::testkit {

shard shard::parse(std::string_view text) {
    shard result;
    const auto* const end = text.data() + text.size();
    const auto index = std::from_chars(text.data(), end, result.index);
    if (index.ec == std::errc() && index.ptr != end && *index.ptr == '/') {
        const auto count = std::from_chars(index.ptr + 1, end, result.count);
        if (count.ec == std::errc() && count.ptr == end && result.index >= 1
            && result.index <= result.count) {
            return result;
        }
    }
    throw std::invalid_argument("a shard is written as in 2/5, the second of five; this is '"
                                + std::string(text) + "'");
}

namespace detail {
namespace {

using coroscope::detail::tick_clock;

void check(const explore_options& options) {
    const auto& s = options.shard;
    if (s.index < 1 || s.index > s.count) {
        throw std::invalid_argument("explore_options::shard is " + std::to_string(s.index) + "/"
                                    + std::to_string(s.count)
                                    + "; the first of five is 1/5, the last 5/5");
    }
    if (options.workers == 0) {
        throw std::invalid_argument("explore_options::workers must be at least 1");
    }
    if (options.test.check_heap && options.workers > 1) {
        throw std::invalid_argument(
            "test_options::check_heap profiles the whole process; explore with one worker, or in "
            "as many processes, with shards");
    }
    if (options.strategy == strategy::dpor && (s.count > 1 || options.workers > 1)) {
        throw std::invalid_argument(
            "strategy::dpor learns from one execution what to do in the next, so that its work "
            "cannot be shared; explore with one worker and no shards");
    }
    const bool wakes_early = options.max_spurious_wakeups > 0 || options.max_early_timeouts > 0;
    if (wakes_early && (options.strategy == strategy::dpor || options.counts_classes)) {
        throw std::invalid_argument(
            "what is woken early depends on nothing that is reported, so that orders with it have "
            "no classes; explore without max_spurious_wakeups and max_early_timeouts, or with "
            "another strategy and without counts_classes");
    }
    if (options.max_steps == 0) {
        throw std::invalid_argument("explore_options::max_steps must be at least 1");
    }
}

/// With the seed chosen.
[[nodiscard]] explore_options settled(const explore_options& options) {
    auto result = options;
    const auto& given = options.seed.has_value() ? options.seed : options.test.seed;
    result.seed = choose_seed(given);
    result.test.seed = result.seed;
    return result;
}

/// One thread's part of an exploration.
struct search_part {
    std::unique_ptr<searcher> search;
    std::exception_ptr exception;

    void run(const explored_test& test, const explore_options& options, await_site where,
             const search_share& share, search_state& state,
             const std::function<void()>& between) noexcept {
        try {
            search = std::make_unique<searcher>(test, options, where, share, state);
            search->run(between);
        } catch (...) {
            exception = std::current_exception();
            state.must_stop = true;
        }
        if (search != nullptr) { search->rest(); }  // others may take longer than its time limit
    }
};

/// Looks for a simpler schedule that fails in the same way, and tells what happens in it.
[[nodiscard]] std::string shrink(exploration_failure& failure, const explored_test& test,
                                 const explore_options& options, await_site where) {
    failure.shrunk = failure.schedule;
    failure.shrunk_result = failure.result;
    const auto found = parse_schedule(failure.schedule);
    failure.shrunk_size = found.size();
    if (!depends_on_order(failure.result)) { return {}; }
    explored_environment environment(options.test, where);
    environment.expect_outcomes(test.serial);
    auto shrunk = shrink(environment, test, found, failure.result, options.max_shrink_executions);
    failure.shrunk = to_text(shrunk.simplest);
    failure.shrunk_size = shrunk.simplest.size();
    failure.shrinking_executions = shrunk.executions;
    auto told = tell_interleaving(environment, test, shrunk.simplest);
    if (told.result.ok()) {
        return "\nit did not fail when it was run once more: it depends on more than the order";
    }
    failure.shrunk_result = std::move(told.result);
    return std::move(told.table);
}

void describe(exploration_failure& failure, const std::string& table) {
    const auto was_shrunk = failure.shrunk != failure.schedule;
    const auto& failures = failure.shrunk_result.failures;
    const auto starts_with = [&](failure_kind kind) {
        return !failures.empty() && failures[0].kind == kind;
    };
    const auto* const judged_by = starts_with(failure_kind::outcome) ? ", {.check_outcomes = true})"
                                  : starts_with(failure_kind::race)  ? ", {.find_races = true})"
                                                                     : ")";
    std::string races;
    for (const auto& each : failure.findings) {
        races += "\nrace, confirmed: " + each.message + " [" + each.rule + "]";
    }
    failure.message =
        testkit::to_string(failure.shrunk_result) + "\nexecution " + std::to_string(failure.number)
        + ", by " + failure.found_by + "\nschedule: " + failure.schedule
        + (was_shrunk ? "\nshrunk to: " + failure.shrunk : "") + races + table
        + "\nto replay it: coroscope::testkit::replay(body, \"" + failure.shrunk + "\"" + judged_by;
}

/// Lets the executions of `test` be judged by the result, which has to stay where it is.
[[nodiscard]] std::unique_ptr<const serial_outcomes> judge_outcomes(explored_test& test,
                                                                    const explore_options& options,
                                                                    await_site where,
                                                                    std::uint64_t deadline) {
    if (!options.check_outcomes) { return nullptr; }
    auto found = std::make_unique<const serial_outcomes>(
        find_serial_outcomes(test, options, where, deadline));
    test.serial = found.get();
    return found;
}

[[nodiscard]] outcome_check describe_outcomes(
    const std::unique_ptr<const serial_outcomes>& serial) {
    if (serial == nullptr) { return {}; }
    return {serial->trouble.empty(), serial->trouble, serial->runs, serial->texts.size()};
}

[[nodiscard]] exploration summarise(std::vector<search_part>& parts, const search_state& state) {
    exploration result;
    result.executions = state.executions;
    result.exhausted = true;
    std::unordered_set<std::uint64_t> hashes;
    std::unordered_set<std::uint64_t> classes;
    for (auto& part : parts) {
        if (part.exception != nullptr) { std::rethrow_exception(part.exception); }
        const auto& found = part.search->failure();
        if (found.has_value()
            && (!result.failure.has_value() || found->number < result.failure->number)) {
            result.failure = found;
        }
        result.exhausted = result.exhausted && part.search->has_tried_everything();
        part.search->add_to(result.coverage, hashes, classes);
    }
    if (result.executions > 0) {
        result.coverage.decisions_mean /= static_cast<double>(result.executions);
    }
    result.coverage.distinct_schedules = hashes.size();
    result.coverage.classes = classes.size();
    return result;
}

}  // namespace

namespace {

/// The failure of a directed execution is the exploration's: nothing else was tried after it.
void add_races(exploration& to, race_hunt&& races) {
    to.executions += races.executions;
    to.findings = std::move(races.findings);
    if (to.failure.has_value()) { to.failure->number += races.executions; }
    if (!races.failure.has_value()) { return; }
    to.failure = std::move(races.failure);
    to.exhausted = false;
    std::ranges::copy_if(to.findings, std::back_inserter(to.failure->findings),
                         [](const auto& f) { return f.verdict == report::verdict::confirmed; });
}

/// What a race detector sees happen fails the run, as it does where races are looked for.
[[nodiscard]] scheduled_run run_watched(explored_environment& in, const explored_test& test,
                                        const schedule& to_follow) {
    instrumentation::race_options watching;
    watching.runs_in_default_order = to_follow.size() == 0;
    instrumentation::race_detector detector(watching);
    in.detect_with(&detector);
    auto run = run_schedule(in, test, to_follow);
    in.detect_with(nullptr);
    if (!run.result.ok()) { return run; }
    const auto findings = detector.findings();
    const auto seen =
        std::ranges::find(findings, report::verdict::confirmed, &report::finding::verdict);
    if (seen != findings.end()) {
        run.result.failures.push_back({failure_kind::race, seen->message, nullptr, {}});
    }
    return run;
}

}  // namespace

exploration explore(const std::function<coro<>()>& body, const explore_options& options,
                    await_site where) {
    expect_no_loop("explore", where);
    check(options);
    const unfinished_test begun(exploration_of(options.test, where));
    auto chosen = settled(options);
    search_state state;
    if (chosen.time_budget.has_value()) {
        state.deadline = tick_clock::now() + tick_clock::to_ticks(*chosen.time_budget);
    }
    explored_test test{body, chosen.max_steps, nullptr};
    const auto serial = judge_outcomes(test, chosen, where, state.deadline);
    const bool hunts = chosen.find_races && chosen.shard.index == 1;
    auto races = hunts ? hunt_races(test, chosen, where, state.deadline) : race_hunt();
    chosen.max_executions -= races.executions;
    const auto share_of = [&](std::uint64_t worker) {
        const auto& s = chosen.shard;
        return search_share{s.index - 1 + s.count * worker, s.count * chosen.workers};
    };
    std::vector<search_part> parts(races.failure.has_value() ? 0 : chosen.workers);
    if (!parts.empty()) {
        std::vector<std::jthread> threads;
        for (std::size_t i = 1; i < parts.size(); ++i) {
            threads.emplace_back(
                [&, i] { parts[i].run(test, chosen, where, share_of(i), state, nullptr); });
        }
        parts[0].run(test, chosen, where, share_of(0), state, progress_teller(chosen, state));
    }
    auto result = summarise(parts, state);
    add_races(result, std::move(races));
    result.seed = *chosen.seed;
    result.outcomes = describe_outcomes(serial);
    if (result.failure.has_value()) {
        const auto table = shrink(*result.failure, test, chosen, where);
        describe(*result.failure, table);
    }
    return result;
}

test_result replay(const std::function<coro<>()>& body, std::string_view schedule,
                   const explore_options& options, await_site where) {
    expect_no_loop("replay", where);
    check(options);
    const unfinished_test begun(exploration_of(options.test, where));
    const auto to_follow = parse_schedule(schedule);
    auto settings = options.test;
    settings.seed = to_follow.seed;
    explored_test test{body, options.max_steps, nullptr};
    auto same_seed = options;
    same_seed.test = settings;
    const auto serial =
        judge_outcomes(test, same_seed, where, std::numeric_limits<std::uint64_t>::max());
    explored_environment environment(settings, where);
    environment.expect_outcomes(test.serial);
    if (environment.has_failed_before()) { return std::move(environment.result()); }
    auto run = options.find_races ? run_watched(environment, test, to_follow)
                                  : run_schedule(environment, test, to_follow);
    if (run.result.ok() && environment.has_failed_since()) {
        run.result = std::move(environment.result());
    }
    if (!run.divergence.empty()) {
        run.result.failures.insert(run.result.failures.begin(),
                                   {failure_kind::schedule, run.divergence, nullptr, {}});
    }
    return std::move(run.result);
}

}  // namespace detail

std::ostream& operator<<(std::ostream& out, const exploration& e) {
    if (e.failure.has_value()) { return out << e.failure->message; }
    const auto& c = e.coverage;
    out << "ok: " << e.executions << " executions, " << c.distinct_schedules
        << (c.are_more_distinct ? " or more" : "") << " of them different, decisions "
        << c.decisions_min << " to " << c.decisions_max << " (mean " << c.decisions_mean << ")";
    if (c.classes > 0) { out << ", " << c.classes << " classes"; }
    if (c.cut > 0) { out << ", " << c.cut << " came to max_steps"; }
    out << (e.exhausted ? "; every order was tried" : "");
    if (e.outcomes.were_checked) {
        out << "; outcomes were those of " << e.outcomes.serial_runs << " serial runs";
    } else if (!e.outcomes.trouble.empty()) {
        out << "; outcomes were not checked: " << e.outcomes.trouble;
    }
    out << "; seed: " << e.seed;
    for (const auto& each : e.findings) {
        const bool is_predicted = each.verdict == report::verdict::predicted;
        out << (is_predicted ? "\n    race, predicted only: " : "\n    race: ") << each.message
            << " [" << each.rule << "]";
    }
    return out;
}

std::string to_string(const exploration& e) {
    std::ostringstream text;
    text << e;
    return text.str();
}

}  // namespace coroscope::testkit
