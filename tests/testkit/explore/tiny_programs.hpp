// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/condition.hpp>
#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/event.hpp>
#include <coroscope/runtime/mutex.hpp>
#include <coroscope/runtime/queue.hpp>
#include <coroscope/runtime/semaphore.hpp>
#include <coroscope/runtime/task.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
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
    bool is_helped = false;  ///< one more task ends all waits when nothing else happens any more
};

/// What a program's tasks share.
struct world {
    std::array<int, 4> variables{};
    std::array<coroscope::mutex, 2> mutexes;
    std::array<coroscope::event, 2> events;
    coroscope::condition notified;
    coroscope::semaphore permits{1};
    coroscope::queue<int> items;
    std::vector<int> sums;
    std::vector<coroscope::task<>> tasks;
};

/// Where programs run, one after the other. Outlives the search: tasks that failed, and callbacks
/// that come after the body's end, refer to it.
using stage = std::optional<world>;

/// Runs it, and adds how it ended to `outcomes`: the sums of all tasks, and the variables.
coroscope::coro<> run(stage& on, const program& what, std::set<std::string>* outcomes);

/// One of many; `seed` says which. Where it waits, it is helped.
[[nodiscard]] program random_program(std::uint64_t seed);

/// For messages.
[[nodiscard]] std::string to_text(const program& what);

}  // namespace tiny
