// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "explored_environment.hpp"
#include "make_strategy.hpp"
#include "run_schedule.hpp"

#include <coroscope/testkit/explore.hpp>

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <unordered_set>

namespace coroscope::testkit::detail {

/// What the searchers of one exploration share.
struct search_state {
    std::atomic<std::uint64_t> executions{0};
    /// The least number, from 0, of an execution that failed: who is past it may stop.
    std::atomic<std::uint64_t> first_failure{std::numeric_limits<std::uint64_t>::max()};
    std::atomic<bool> must_stop{false};
    std::uint64_t deadline = std::numeric_limits<std::uint64_t>::max();  ///< a stamp
};

/// Does one share of an exploration, on one thread: the executions with the numbers `share.index`,
/// `share.index + share.count`, and so on.
class searcher {
public:
    searcher(const explored_test& test, const explore_options& options, await_site where,
             const search_share& share, search_state& state);

    /// `between` is called after each execution.
    void run(const std::function<void()>& between);
    /// Nothing more is run.
    void rest() noexcept { environment_.rest(); }

    [[nodiscard]] const std::optional<exploration_failure>& failure() const noexcept {
        return failure_;
    }
    [[nodiscard]] bool has_tried_everything() const noexcept { return strategy_->is_complete(); }
    /// Adds what it has done; distinct schedules and their classes as hashes.
    void add_to(exploration_coverage& coverage, std::unordered_set<std::uint64_t>& hashes,
                std::unordered_set<std::uint64_t>& classes) const;

private:
    void run_one(std::uint64_t number);
    void count(const schedule_driver& driver);
    [[nodiscard]] schedule decided() const;
    void check_determinism(std::uint64_t number);
    void complain(std::uint64_t number, std::string why);
    void fail(std::uint64_t number, test_result result);

    explored_test test_;
    const explore_options& options_;
    search_share share_;
    search_state& state_;
    explored_environment environment_;
    std::unique_ptr<search_strategy> strategy_;
    std::optional<exploration_failure> failure_;
    std::vector<step_trace> trace_;
    std::unordered_set<std::uint64_t> hashes_;
    std::unordered_set<std::uint64_t> classes_;
    bool are_more_distinct_ = false;
    std::uint64_t executions_ = 0;
    std::uint64_t decisions_ = 0;
    std::uint64_t decisions_min_ = std::numeric_limits<std::uint64_t>::max();
    std::uint64_t decisions_max_ = 0;
    std::uint64_t steps_ = 0;
    std::uint64_t cut_ = 0;
};

/// How many distinct schedules are kept count of.
inline constexpr std::size_t most_hashes = 1'000'000;

}  // namespace coroscope::testkit::detail
