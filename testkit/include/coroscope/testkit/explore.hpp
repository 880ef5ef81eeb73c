// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/testkit/test_run.hpp>

#include <coroscope/report/finding.hpp>

#include <coroscope/instrumentation/effects.hpp>
#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/clock.hpp>
#include <coroscope/runtime/coro.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace coroscope::testkit {

/// How an exploration chooses the orders that it tries. docs/exploration.md says which is good for
/// what, and where each comes from.
enum class strategy : std::uint8_t {
    portfolio,               ///< all of the following in turn, up to `depth_first`
    default_order,           ///< first in, first out: one execution
    random_walk,             ///< any that could run, each as likely
    uniform_walk,            ///< all interleavings as likely
    selective_walk,          ///< all orders of the steps at one line, another each time, as likely
    partial_order_sampling,  ///< random priorities of steps
    pct_2,                   ///< random priorities of tasks with one change
    pct_3,                   ///< with two
    pct_5,                   ///< with four
    depth_first,             ///< everything, or everything within `max_deviations`
    dpor,                    ///< one order of each class; one worker, no shards
};

[[nodiscard]] const char* to_string(strategy s) noexcept;
/// The strategy that `to_string` gives this name; throws `std::invalid_argument` otherwise.
[[nodiscard]] strategy parse_strategy(std::string_view name);

/// One of several explorations, in as many processes, that share the work.
struct shard {
    std::uint64_t index = 1;  ///< from 1
    std::uint64_t count = 1;

    /// Reads `2/5`: the second of five. Throws `std::invalid_argument`.
    [[nodiscard]] static shard parse(std::string_view text);
};

/// What an exploration has done so far.
struct exploration_progress {
    std::uint64_t executions = 0;
    std::uint64_t most_executions = 0;
    duration elapsed{};  ///< real time
};

/// How `explore` explores.
struct explore_options {
    testkit::strategy strategy = strategy::portfolio;
    std::uint64_t max_executions = 10'000;  ///< of all shards together
    std::optional<duration> time_budget;    ///< real time; unset: none
    /// Of the strategies, and of the test. Unset: as for `test_options::seed`.
    std::optional<std::uint64_t> seed;
    testkit::shard shard;
    /// For `depth_first`: at most so many steps that are not the default order's. Unset: no bound.
    std::optional<std::size_t> max_deviations;
    /// Steps of one execution, after which it goes on first in, first out, since a strategy may let
    /// one task poll for ever. If it does not end within as many more, it has failed.
    std::uint64_t max_steps = 10'000;
    /// How often one execution may wake a task that waits for a `condition` though nobody has
    /// notified it, which programs must be prepared for, and how often a time limit (`wait_for`,
    /// `timeout_scope`, `wait`, `as_completed`) may be up before its time, as where what it limits
    /// takes longer than in the test. When that happens is part of the schedule.
    std::size_t max_spurious_wakeups = 0;
    std::size_t max_early_timeouts = 0;
    /// Threads that explore, each with loops of its own: `f` is called in all of them, and must not
    /// share anything between two calls.
    unsigned workers = 1;
    /// How many executions, from the first, are run twice to see whether they are the same.
    std::uint64_t checked_executions = 1;
    /// Whether an execution fails whose outcome no serial run has. An outcome is what the test
    /// states with `effect` and returns; in a serial run one operation (a task, or an `op_scope`)
    /// goes on for as long as it can, then the next. docs/exploration.md says what may be stated.
    bool check_outcomes = false;
    /// The most serial runs, which come before the executions and do not count as such. Where there
    /// are more, no outcome fails.
    std::uint64_t max_serial_runs = 2'000;
    /// Whether a race detector watches the first execution, first in, first out. Orders that could
    /// go wrong by what it shows are then tried, each in an execution of its own, before the
    /// strategy has its turn. One that fails is confirmed. docs/races.md says what is tried.
    bool find_races = false;
    /// Counts the classes of orders that were tried, whatever the strategy: two orders are of one
    /// class if they differ in nothing but the order of steps that have nothing to do with each
    /// other. It takes several times as long.
    bool counts_classes = false;
    /// Executions that the search for a simpler schedule of a failure may take. 0: no search.
    std::size_t max_shrink_executions = 200;
    /// Told from time to time, on the calling thread. Unset: a line to standard error.
    std::function<void(const exploration_progress&)> on_progress;
    duration progress_interval = std::chrono::seconds(10);
    /// For each execution; `seed` counts only where the one above is unset. `fail_on` must not have
    /// `slow-step`, and `max_steps` and `max_steps_at_one_instant` count for nothing.
    test_options test;
};

/// What was tried.
struct exploration_coverage {
    std::uint64_t distinct_schedules = 0;
    bool are_more_distinct = false;  ///< there are more than were kept count of
    /// Steps at which two tasks or more could have run, of one execution.
    std::uint64_t decisions_min = 0;
    std::uint64_t decisions_max = 0;
    double decisions_mean = 0;
    /// Of orders that differ in what depends on each other; 0: not counted. See `counts_classes`.
    std::uint64_t classes = 0;
    std::uint64_t steps = 0;  ///< of all executions
    std::uint64_t cut = 0;    ///< executions that came to `max_steps`
};

/// The first failure of an exploration.
struct exploration_failure {
    test_result result;        ///< of the execution that failed
    std::string message;       ///< for people, with the shrunk interleaving and how to replay it
    std::string schedule;      ///< for `replay`
    std::string found_by;      ///< the strategy, of a portfolio the member
    std::uint64_t number = 0;  ///< of the execution, from 1
    /// The simplest schedule found that fails in the same way; `schedule` if none is simpler.
    std::string shrunk;
    test_result shrunk_result;               ///< of the execution in that order
    std::size_t shrunk_size = 0;             ///< its deviations, faults and holds
    std::uint64_t shrinking_executions = 0;  ///< that the search for it took
    std::vector<report::finding> findings;   ///< the races that were confirmed
};

/// Whether outcomes were compared with those of serial runs; see `explore_options::check_outcomes`.
struct outcome_check {
    bool were_checked = false;
    std::string trouble;  ///< why they were not, although that was asked for
    std::uint64_t serial_runs = 0;
    std::uint64_t serial_outcomes = 0;  ///< different ones
};

/// What came of an exploration.
struct exploration {
    std::optional<exploration_failure> failure;
    std::uint64_t executions = 0;
    /// Every order was tried, and none left out: what did not fail cannot fail. (Of the shard: all
    /// shards have to say so.) Never with a bound, or where an execution came to `max_steps`.
    bool exhausted = false;
    exploration_coverage coverage;
    outcome_check outcomes;
    /// Races: those that were confirmed, and the predictions that did no harm when they were tried,
    /// or could not be, which fail nothing; not those that the program has noticed. See
    /// `explore_options::find_races`.
    std::vector<report::finding> findings;
    std::uint64_t seed = 0;

    [[nodiscard]] bool ok() const noexcept { return !failure.has_value(); }
};

/// The failure, or what was tried, in lines for people.
std::ostream& operator<<(std::ostream& out, const exploration& e);
[[nodiscard]] std::string to_string(const exploration& e);

/// What the environment says about explorations, for adapters to test frameworks.
struct explore_settings {
    explore_options options;
    std::string replay;  ///< a schedule to run instead; empty: explore
};

/// Reads `COROSCOPE_TEST_SCHEDULES` (the most executions), `COROSCOPE_TEST_SHARD` (as in 2/5) and
/// `COROSCOPE_TEST_REPLAY` (a schedule), which go before the options. `COROSCOPE_TEST_SEED` counts
/// where the options have no seed. Throws `std::invalid_argument` for what makes no sense.
[[nodiscard]] explore_settings read_explore_settings(explore_options options);

namespace detail {

[[nodiscard]] exploration explore(const std::function<coro<>()>& body,
                                  const explore_options& options, await_site where);
[[nodiscard]] test_result replay(const std::function<coro<>()>& body, std::string_view schedule,
                                 const explore_options& options, await_site where);

/// Its result is an effect, if it can be one.
template <class T>
[[nodiscard]] coro<> stating_result(coro<T> work) {
    const auto& result = co_await std::move(work);
    if constexpr (instrumentation::detail::effect_value<std::remove_cvref_t<T>>) {
        instrumentation::effect("returned", result);
    }
}

/// Calls `use(body)` with `f` as a function that returns a `coro<>`.
template <class F, class Use>
[[nodiscard]] auto with_body(F& f, Use use) {
    if constexpr (std::is_same_v<std::invoke_result_t<F&>, coro<>>) {
        return use(std::function<coro<>()>(std::ref(f)));
    } else {
        return use(std::function<coro<>()>([&f] { return stating_result(f()); }));
    }
}

}  // namespace detail

/// Runs a test again and again, as `run_test` does, each time with tasks in another order, until it
/// fails, everything was tried, or `max_executions` or the time budget is used up.
///
///     const auto found = explore([]() -> coro<> { ... });
///     INFO(to_string(found));
///     REQUIRE(found.ok());
///
/// What is reordered is what programs must not rely on: which ready task runs next, which of the
/// timers for one instant comes first; and `fault_point`s fail. See `schedule_policy` for what
/// keeps its order. `f()` has to do the same whenever it is called: what it does must depend on
/// nothing but the order, the virtual time, `this_test().seed()` and the fault points.
///
/// Throws what `run_test` throws, and `std::invalid_argument` for options that make no sense.
/// **Thread safety**: as `run_test`. **Cost**: one or two microseconds for an execution of
/// twenty steps.
template <class F>
    requires std::is_invocable_v<F&>
[[nodiscard]] exploration explore(F&& f, const explore_options& options = {},
                                  await_site where = await_site::current()) {
    return detail::with_body(
        f, [&](const auto& body) { return detail::explore(body, options, where); });
}

/// Runs a test once more in the order of a failure: `schedule` is that of `exploration_failure`.
/// Of the options, `max_steps`, `check_outcomes`, `max_serial_runs`, `find_races` (what a race
/// detector sees happen is a failure) and `test` count. A schedule that is not possible any more,
/// since the program has changed, is a failure that says from which step on. Throws as `explore`,
/// and `std::invalid_argument` for what is no schedule.
template <class F>
    requires std::is_invocable_v<F&>
[[nodiscard]] test_result replay(F&& f, std::string_view schedule,
                                 const explore_options& options = {},
                                 await_site where = await_site::current()) {
    return detail::with_body(
        f, [&](const auto& body) { return detail::replay(body, schedule, options, where); });
}

}  // namespace coroscope::testkit
