// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/report/profile.hpp>

#include <cstddef>
#include <functional>
#include <memory>

namespace coroscope {
class loop;
}

namespace coroscope::instrumentation {

struct wait_profiler_options {
    /// Different async stacks that are kept, each of tasks of one name; waits at others are only
    /// counted, as dropped.
    std::size_t capacity = 4'096;
    /// Different names of tasks that are told apart; waits of tasks with others are those of
    /// nobody, as of tasks without a name. 0: none are.
    std::size_t names = 256;
};

/// Where a loop's tasks wait, and for how long: the time between a suspension and the next step, by
/// the `co_await`s that the task stood at, divided into what it asked for (`waiting`) and its turn
/// after that (`scheduled`). What is long in the first is somebody else's slowness, in the second
/// the loop's own.
///
///     coroscope::instrumentation::wait_profiler waits(loop);
///     loop.run_until_complete(serve());
///     std::cout << coroscope::report::collapsed_stacks(waits.read(), 2);
///
/// The innermost frame of each stack says what was waited for: `[sleep]`, `[mutex]`, `[yield]`;
/// `[first step]` stands for the time from a task's creation to its first step, at the line that
/// created it. Stacks are told apart by a hash of 64 bits; beyond 64 `co_await`s they are cut off.
///
/// Each stack is there once for each name that tasks were given (`create_task(…, "client")`), so
/// far as there is room: where three quarters of it are taken, tasks that come to new stacks lose
/// theirs.
///
/// Time is real time, whatever clock the loop has, and nothing is seen where
/// `loop_options::time_stats` is off. What was going on before the profiler came counts from then
/// on. A wait that ends because its task is destroyed is lost.
///
/// **Thread safety**: made and destroyed on the loop's thread, or while the loop does not run;
/// `read` from any thread, also meanwhile, where a wait that ends just then may be missing.
/// **Lifetime**: may outlive the loop. One for each loop at a time.
/// **Cost**: some nanoseconds a suspension (the row `wait_profile`), and memory for `capacity`
/// stacks at most.
class wait_profiler {
public:
    /// Throws `invalid_state_error` if the loop has one.
    explicit wait_profiler(loop& watched, const wait_profiler_options& options = {});
    ~wait_profiler();
    wait_profiler(const wait_profiler&) = delete;
    wait_profiler& operator=(const wait_profiler&) = delete;

    /// All waits so far, those that have not ended among them: a profile of the kind `wait` with
    /// the values `waits`, `scheduled` and `waiting`, by the names of the tasks.
    [[nodiscard]] report::profile read() const;

    /// Reads as `read` does, from any thread, also when the profiler is gone: then what it had
    /// seen.
    [[nodiscard]] std::function<report::profile()> reader() const;

private:
    class recorder;
    std::shared_ptr<recorder> recorder_;
};

}  // namespace coroscope::instrumentation
