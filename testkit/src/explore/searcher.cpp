// SPDX-License-Identifier: Apache-2.0
#include "searcher.hpp"

#include "random_source.hpp"

#include <coroscope/runtime/detail/tick_clock.hpp>

#include <algorithm>
#include <utility>

namespace coroscope::testkit::detail {

using coroscope::detail::tick_clock;

searcher::searcher(const explored_test& test, const explore_options& options, await_site where,
                   const search_share& share, search_state& state)
    : test_(test),
      options_(options),
      share_(share),
      state_(state),
      environment_(options.test, where),
      strategy_(make_strategy(options, share)) {
    environment_.expect_outcomes(test.serial);
    environment_.driver().set_counts_classes(options.counts_classes);
    environment_.driver().set_early({options.max_spurious_wakeups, options.max_early_timeouts});
}

void searcher::run(const std::function<void()>& between) {
    if (environment_.has_failed_before()) {
        fail(share_.index, std::move(environment_.result()));
        return;
    }
    for (auto number = share_.index; number < options_.max_executions; number += share_.count) {
        if (strategy_->exhausted() || state_.must_stop.load(std::memory_order_relaxed)
            || number > state_.first_failure.load(std::memory_order_relaxed)
            || tick_clock::now() >= state_.deadline) {
            return;
        }
        run_one(number);
        if (failure_.has_value()) { return; }
        if (between != nullptr) { between(); }
        if (environment_.has_failed_since()) {
            fail(number, std::move(environment_.result()));
            return;
        }
    }
}

void searcher::run_one(std::uint64_t number) {
    auto& driver = environment_.driver();
    const bool is_checked = number < options_.checked_executions;
    if (is_checked) { driver.set_trace(&trace_); }
    const auto& result = environment_.run(*strategy_, derived_seed(environment_.seed(), number),
                                          test_.max_steps, test_.body);
    driver.set_trace(nullptr);
    count(driver);
    state_.executions.fetch_add(1, std::memory_order_relaxed);
    if (!result.ok()) {
        fail(number, std::move(environment_.result()));
    } else if (auto complaint = strategy_->complaint(); !complaint.empty()) {
        complain(number, std::move(complaint));
    } else if (is_checked) {
        check_determinism(number);
    }
}

void searcher::count(const schedule_driver& driver) {
    const auto& summary = driver.summary();
    const auto hash = driver.hash();
    ++executions_;
    steps_ += summary.steps;
    decisions_ += summary.decisions;
    decisions_min_ = std::min(decisions_min_, summary.decisions);
    decisions_max_ = std::max(decisions_max_, summary.decisions);
    cut_ += summary.was_cut ? 1U : 0U;
    if (hashes_.size() < most_hashes) {
        hashes_.insert(hash);
    } else {
        are_more_distinct_ = are_more_distinct_ || !hashes_.contains(hash);
    }
    const auto its_class = driver.class_hash();
    if (its_class.has_value() && classes_.size() < most_hashes) { classes_.insert(*its_class); }
}

void searcher::add_to(exploration_coverage& coverage, std::unordered_set<std::uint64_t>& hashes,
                      std::unordered_set<std::uint64_t>& classes) const {
    if (executions_ == 0) { return; }
    const bool is_first = coverage.steps == 0;
    coverage.steps += steps_;
    coverage.cut += cut_;
    coverage.decisions_mean += static_cast<double>(decisions_);
    coverage.decisions_max = std::max(coverage.decisions_max, decisions_max_);
    coverage.decisions_min =
        is_first ? decisions_min_ : std::min(coverage.decisions_min, decisions_min_);
    coverage.are_more_distinct = coverage.are_more_distinct || are_more_distinct_;
    hashes.insert(hashes_.begin(), hashes_.end());
    classes.insert(classes_.begin(), classes_.end());
}

schedule searcher::decided() const {
    auto result = environment_.driver().decided();
    result.seed = environment_.seed();
    return result;
}

/// Runs the same once more.
void searcher::check_determinism(std::uint64_t number) {
    const auto first = std::exchange(trace_, {});
    const auto to_follow = decided();
    const auto second = run_schedule(environment_, test_, to_follow);
    auto divergence = describe_divergence(environment_.driver().agents(), first, second.trace);
    if (divergence.empty() && !second.result.ok()) {
        divergence =
            "two executions of one schedule took the same steps, and only the second failed: "
            + to_string(second.result);
    }
    if (divergence.empty()) { return; }
    complain(number,
             "uncontrolled nondeterminism: " + divergence
                 + "\n    what a test does must depend on nothing but the order of its tasks, "
                   "virtual time, this_test().seed() and its fault points");
}

/// The test is not what explorations, or the strategy, need.
void searcher::complain(std::uint64_t number, std::string why) {
    test_result result;
    result.seed = environment_.seed();
    result.failures.push_back({failure_kind::nondeterminism, std::move(why), nullptr, {}});
    fail(number, std::move(result));
}

void searcher::fail(std::uint64_t number, test_result result) {
    auto least = state_.first_failure.load();
    while (number < least && !state_.first_failure.compare_exchange_weak(least, number)) {}
    exploration_failure failure;
    failure.number = number + 1;
    failure.found_by = strategy_->name();
    failure.schedule = to_text(decided());
    failure.result = std::move(result);
    failure_ = std::move(failure);
}

}  // namespace coroscope::testkit::detail
