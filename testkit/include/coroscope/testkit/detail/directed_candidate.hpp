// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace coroscope::testkit::detail {

/// A place where a task waits: its spawn path, and the number of the suspension, from 1; 0: before
/// its first step. A task that has taken n steps stands at its n-th.
struct await_of {
    std::string agent;
    std::uint32_t await = 0;
    friend bool operator==(const await_of&, const await_of&) = default;
};

/// `held` does not go on from there before `until` has gone on from where it is named, unless
/// nobody else could run.
struct requested_hold {
    await_of held;
    await_of until;
    friend bool operator==(const requested_hold&, const requested_hold&) = default;
};

/// An order that could go wrong. For a pair of steps that could come the other way round, one hold;
/// for a circle of locks, one for each participant, before its second acquisition, until the next
/// one has passed its first.
using directed_candidate = std::vector<requested_hold>;

/// Of a recorded execution: the spawn path of a task, by its id.
using path_of_task = std::function<std::string(std::uint64_t id)>;

/// Asked for candidates once the default order was run, on the thread that explores.
using candidate_source = std::function<std::vector<directed_candidate>(const path_of_task&)>;

}  // namespace coroscope::testkit::detail
