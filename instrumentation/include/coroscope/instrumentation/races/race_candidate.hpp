// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/instrumentation/detail/memory_names.hpp>

#include <coroscope/report/finding.hpp>
#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/creation_origin.hpp>
#include <coroscope/runtime/schedule_policy.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace coroscope::instrumentation {

/// Hold `held` before its await number `await` until `until` has passed its await number `passed`.
///
/// An await has the number of steps that led to it: 0 is the beginning, 1 the first suspension, and
/// so on. Awaits that were ready have none. A callback has one step, number 0.
struct race_hold {
    schedule_policy::agent held;
    std::uint32_t await = 0;
    schedule_policy::agent until;
    std::uint32_t passed = 0;

    friend bool operator==(const race_hold&, const race_hold&) = default;
};

/// Something that could go wrong in another order than the one seen, and how to get there.
struct race_candidate {
    /// As predicted; whoever sees it fail makes it confirmed and adds the schedule as evidence.
    report::finding what;
    /// All of them together, in the run that was recorded; ids are those of that run.
    std::vector<race_hold> holds;
};

/// What one step did to a thing that another one's step uses, too.
struct seen_use {
    /// What it is known as.
    enum class thing : std::uint8_t {
        data,    ///< memory, or what says that it is shared
        object,  ///< that synchronises
        unseen,  ///< nobody has told of it: all that is known is the step
    };
    schedule_policy::agent who;
    std::string name;         ///< of a task, as given
    creation_origin created;  ///< where the task was, or the callback
    thing what = thing::unseen;
    std::uint64_t mutex = 0;     ///< the object's id, if it is one
    detail::memory_place place;  ///< of data
    bool changes = false;        ///< it did not only look
    await_site where{};          ///< the line of the use, if it has one
    const void* code = nullptr;  ///< or its instruction
    await_site resumed_at{};     ///< the await that the step began at; unknown: its agent's first
    await_site awaited_in{};     ///< that of the coroutine that does it, if in another function
    creation_origin callers;     ///< the awaits that led to the coroutine that does it
};

/// Two uses of one thing that nothing orders, and one of whose orders goes wrong: that which was
/// not seen.
struct failed_reversal {
    seen_use earlier;  ///< in the run that was seen
    seen_use later;
    std::vector<race_hold> holds;  ///< how the other order was come to
    /// It is the seen order that goes wrong, and not the other one.
    bool fails_as_seen = false;
    std::vector<failed_reversal> also;  ///< had to be turned round before
};

/// The label of what `describe` says of an order in which nothing fails.
inline constexpr const char* order_that_passes = "order that passes";

/// Says so, as a confirmed finding of the rule `unordered-uses`, or `unordered-steps` where nobody
/// has told of the uses. **Cost**: milliseconds, where instructions have to be named.
[[nodiscard]] report::finding describe(const failed_reversal& of);

}  // namespace coroscope::instrumentation
