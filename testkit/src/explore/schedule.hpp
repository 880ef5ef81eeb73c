// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace coroscope::testkit::detail {

/// At this step (counted from 0) this agent runs, and not the one that was ready first.
struct deviation {
    std::uint64_t step = 0;
    std::string agent;  ///< spawn path
    /// Nothing is ready before this step, and time would go on: the agent is woken early instead.
    bool in_place_of_time = false;
    friend bool operator==(const deviation&, const deviation&) = default;
};

/// In this step the `number`-th (from 0) fault point that is reached fails.
struct fault {
    std::uint64_t step = 0;
    std::uint32_t number = 0;
    friend bool operator==(const fault&, const fault&) = default;
};

/// `agent` is not resumed from its `await`-th suspension (from 1; 0: does not begin) before `until`
/// has been resumed from its `passed`-th; unless nobody else could run, or others alone have run
/// for a hundred steps.
struct hold {
    std::string agent;
    std::uint32_t await = 0;
    std::string until;
    std::uint32_t passed = 0;
    friend bool operator==(const hold&, const hold&) = default;
};

/// What an execution did differently from the default, first in, first out; and the test's seed.
struct schedule {
    std::uint64_t seed = 0;
    std::vector<deviation> deviations;  ///< with growing steps
    std::vector<fault> faults;          ///< with growing steps
    std::vector<hold> holds;

    [[nodiscard]] std::size_t size() const noexcept {
        return deviations.size() + faults.size() + holds.size();
    }
    friend bool operator==(const schedule&, const schedule&) = default;
};

/// One printable line without blanks, which no shell changes. Its grammar:
///
///     schedule  = "co1:" seed ":" [ entry *( "," entry ) ]
///     entry     = step "=" path            ; a deviation
///               | step "t" path            ; one in place of time
///               | step "f" number          ; a fault
///               | path "@" await "-" path "@" passed    ; a hold
[[nodiscard]] std::string to_text(const schedule& s);

/// Reads it. Throws `std::invalid_argument` that says what is wrong and where.
[[nodiscard]] schedule parse_schedule(std::string_view text);

}  // namespace coroscope::testkit::detail
