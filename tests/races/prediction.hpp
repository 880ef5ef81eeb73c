// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "races/corpus.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace race_corpus {

/// What comes of a search that begins with directed executions (`explore_options::find_races`).
struct prediction {
    /// The recorded execution, first in, first out, which comes first and is not counted here:
    /// there was nothing to steer to.
    bool failed_by_itself = false;
    bool is_explained = false;    ///< it failed so, and a finding says by what
    std::set<std::string> rules;  ///< of the findings
    std::size_t candidates = 0;   ///< that the race detector has after the recorded execution
    /// How many executions came after the recorded one, until one failed: all of them directed, or
    /// all the directed ones and then some of the portfolio.
    std::optional<std::uint64_t> executions;
    bool is_directed = false;  ///< it was a directed one that failed
};

inline constexpr std::uint64_t most_executions_predicted = 1'000;

/// Searches the program, in at most so many. Needs a corpus whose accesses are seen
/// (`COROSCOPE_RACES_ARE_SEEN`).
[[nodiscard]] prediction predict(const program& p);

/// Of several programs' executions.
[[nodiscard]] double geometric_mean(const std::vector<std::uint64_t>& of);
[[nodiscard]] std::optional<std::uint64_t> median(std::vector<std::uint64_t> of);

}  // namespace race_corpus
