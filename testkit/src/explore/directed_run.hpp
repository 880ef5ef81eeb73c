// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "schedule.hpp"

#include <coroscope/instrumentation/races/race_candidate.hpp>
#include <coroscope/report/finding.hpp>

#include <cstdint>
#include <optional>

namespace coroscope::testkit::detail {

/// An order to try, and what it was predicted by, or else what it would be a witness of.
struct directed_run {
    schedule steered;
    std::optional<report::finding> predicted;
    instrumentation::failed_reversal reversed;
    std::uint64_t site = 0;     ///< of what is turned round; see `reversal`
    bool has_happened = false;  ///< what was predicted, in the recorded execution
};

[[nodiscard]] inline bool is_confirmed(const report::finding& f) noexcept {
    return f.verdict == report::verdict::confirmed;
}

}  // namespace coroscope::testkit::detail
