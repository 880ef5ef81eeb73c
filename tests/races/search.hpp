// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "races/corpus.hpp"

#include <coroscope/testkit/explore.hpp>

#include <cstdint>

namespace race_corpus {

inline constexpr coroscope::testkit::strategy every_strategy[] = {
    coroscope::testkit::strategy::portfolio,
    coroscope::testkit::strategy::default_order,
    coroscope::testkit::strategy::random_walk,
    coroscope::testkit::strategy::uniform_walk,
    coroscope::testkit::strategy::selective_walk,
    coroscope::testkit::strategy::partial_order_sampling,
    coroscope::testkit::strategy::pct_2,
    coroscope::testkit::strategy::pct_3,
    coroscope::testkit::strategy::pct_5,
    coroscope::testkit::strategy::depth_first,
#if COROSCOPE_RACES_ARE_SEEN
    coroscope::testkit::strategy::dpor,  // knows what is shared by the accesses that are seen
#endif
};

/// How the corpus is explored everywhere.
[[nodiscard]] inline coroscope::testkit::explore_options search_options(
    coroscope::testkit::strategy s, std::uint64_t most_executions, std::uint64_t seed) {
    coroscope::testkit::explore_options options;
    options.strategy = s;
    options.max_executions = most_executions;
    options.seed = seed;
    options.max_steps = 200;  // those that poll for ever come to it
    options.on_progress = [](const coroscope::testkit::exploration_progress&) {
    };
    options.check_outcomes = true;
    return options;
}

/// The assertions of programs are off while it lives.
class without_assertions {
public:
    without_assertions() { set_assertions(false); }
    without_assertions(const without_assertions&) = delete;
    without_assertions& operator=(const without_assertions&) = delete;
    ~without_assertions() { set_assertions(true); }
};

}  // namespace race_corpus
