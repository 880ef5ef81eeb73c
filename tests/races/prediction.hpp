// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "races/corpus.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>

namespace race_corpus {

/// What the race detector makes of one run of a program, first in, first out.
struct prediction {
    bool failed_by_itself = false;  ///< that run: nothing had to be predicted
    std::set<std::string> rules;    ///< of its findings
    std::size_t candidates = 0;
    /// How many candidates had to be tried, each in one execution, until one failed.
    std::optional<std::uint64_t> directed;
};

/// Records one run of the program, and tries what was predicted. Needs a corpus whose accesses are
/// seen (`COROSCOPE_RACES_ARE_SEEN`).
[[nodiscard]] prediction predict(const program& p);

}  // namespace race_corpus
