// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/coro.hpp>

#include <cstdint>
#include <set>
#include <string>
#include <vector>

/// Small programs, written as lists of operations, to compare searches with each other.
namespace tiny {

enum class does : std::uint8_t {
    read,           ///< variable `what` into the task's sum
    write,          ///< the task's sum into variable `what`
    yield,          ///< to everybody
    lock,           ///< mutex `what`
    unlock,         ///< the same
    try_lock,       ///< and unlock at once, if it was free
    set,            ///< event `what`
    wait,           ///< for event `what`
    clear,          ///< event `what`
    put,            ///< the task's sum into the queue
    get,            ///< from the queue, or -1
    await_item,     ///< from the queue
    sleep,          ///< for `what` milliseconds
    spawn,          ///< the task of list `what`, and go on
    fault,          ///< a fault point, noted in the sum
    cancel,         ///< the task of list `what`
    wait_notified,  ///< until somebody notifies, with the condition's mutex
    notify,         ///< one of those
    down,           ///< a permit of the semaphore
    up,             ///< gives one back
    post,           ///< a callback that changes variable `what`
};

struct operation {
    does verb;
    int what = 0;
};

using task_list = std::vector<operation>;

/// The first `roots` lists are run as tasks, gathered by the body; the others are spawned.
struct program {
    std::vector<task_list> lists;
    std::size_t roots = 0;
};

/// Runs it, and adds how it ended to `outcomes`: the sums of all tasks, and the variables.
coroscope::coro<> run(const program& what, std::set<std::string>* outcomes);

/// One of many; `seed` says which. Nothing in it waits for what need not come.
[[nodiscard]] program random_program(std::uint64_t seed);

/// For messages.
[[nodiscard]] std::string to_text(const program& what);

}  // namespace tiny
