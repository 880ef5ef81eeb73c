// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "race_log.hpp"
#include "race_records.hpp"

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace coroscope::instrumentation::detail {

/// A lock that somebody asked for while it held another.
struct lock_request {
    held_lock held;
    held_lock wanted;   ///< what it is called, and which it is
    record_pointer by;  ///< the request; its `locks` are all that were held
};

/// Which locks were asked for while which others were held, and by whom: a circle of them is a
/// deadlock in some schedule, unless a lock that all of its tasks hold keeps them apart, or an
/// order of the tasks that no schedule can change, or they are one task. Locks are told apart one
/// by one, so that those that are always taken in the order of their addresses form no circle.
class lock_order {
public:
    explicit lock_order(race_log& log) : log_(log) {}

    /// `by` has its `locks`; not for `try_lock`, which waits for nothing.
    void note_request(const record_pointer& by, const held_lock& wanted);
    void forget(const void* lock);

private:
    using path = std::vector<const lock_request*>;

    void look_for_circle(path& so_far);
    void report(const path& circle);

    race_log& log_;
    std::unordered_map<const void*, std::vector<lock_request>> by_held_;
};

}  // namespace coroscope::instrumentation::detail
