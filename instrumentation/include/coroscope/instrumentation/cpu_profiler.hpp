// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/report/profile.hpp>
#include <coroscope/runtime/clock.hpp>
#include <coroscope/runtime/observer.hpp>

#include <cstddef>
#include <memory>
#include <stdexcept>
#include <stop_token>
#include <string>

namespace coroscope {
class loop;
}

namespace coroscope::instrumentation {

struct cpu_profiler_options {
    /// Samples in a second of a thread's CPU time; 1 to 10'000. Not a multiple of what the program
    /// does at regular intervals.
    int frequency = 250;
    /// The signal that ends a period: of the real-time signals, `SIGRTMIN + signal_offset`. A
    /// handler that the program had for it is called for all signals but ours.
    int signal_offset = 10;
    /// Different stacks that are kept; CPU time of others is counted as dropped.
    std::size_t most_stacks = 10'000;
    /// Bytes of a stack that are looked at, from its innermost frame on.
    std::size_t most_stack_bytes = std::size_t{32} * 1024;
    /// Samples of one thread that may wait to be looked at.
    std::size_t most_waiting = 64;
    /// How long `collect()` takes.
    duration collect_for = std::chrono::seconds(10);
};

/// This process is being sampled already, and by one profiler at a time.
class already_sampled_error : public std::logic_error {
public:
    using std::logic_error::logic_error;
};

/// Says where CPU time goes: after each period of a thread's CPU time (a timer of its own counts
/// that), the thread notes its native stack, the task that it runs, and who awaits that. Threads
/// that wait are not disturbed.
///
///     coroscope::instrumentation::cpu_profiler profiler;
///     profiler.attach_to(coroscope::get_running_loop());
///     profiler.start();
///     ...
///     const auto profile = profiler.stop();
///
/// A sample's stack is: what the running coroutine has called, that coroutine, then the `co_await`s
/// that wait for it. Of what the loop does itself, and of callbacks, the native stack alone; those
/// samples have no task, nor have those of tasks without a name.
///
/// The handler runs inside the thread, a few microseconds for each sample: it copies registers and
/// stack and no more. A thread of the profiler's own follows the calls meanwhile. The kernel looks
/// at such timers when its clock ticks, so that samples of less than a tick come as one that weighs
/// as much. A system call that a sample interrupts goes on, apart from those that never do (`man 7
/// signal`). Samples nothing under the thread sanitizer and on other processors than x86-64, and
/// says so in the profile's note. Children of a fork are not sampled until they call `start`.
///
/// **Thread safety**: `attach_to` and `detach_from` belong to the loop's thread; the others may be
/// called from any thread, one profile at a time in a process. **Lifetime**: must outlive the loops
/// that it is attached to, or be detached from them; sampling ends with it. **Cost**: see
/// `cpu_sampling_250` in `docs/benchmarks.md`; nothing while it is stopped. Memory: 2 MB for each
/// thread that is sampled, with these options.
class cpu_profiler : public observer {
public:
    /// Throws `std::invalid_argument` for options out of their range.
    explicit cpu_profiler(cpu_profiler_options options = {});
    cpu_profiler(const cpu_profiler&) = delete;
    cpu_profiler& operator=(const cpu_profiler&) = delete;
    ~cpu_profiler() override;

    /// The threads that run this loop are sampled from its next run on, or from now if it runs.
    void attach_to(loop& l);
    /// A thread that has run the loop goes on being sampled until it ends.
    void detach_from(loop& l) noexcept;
    /// The calling thread is sampled, by whichever profiler runs, until it ends.
    static void sample_this_thread() noexcept;

    /// Throws `already_sampled_error` if a profiler of this process is started already, another
    /// `std::logic_error` if the program has taken our signal's handler away.
    void start();
    /// What was seen since `start`; an empty profile if it was not started, or in a child of a
    /// fork.
    [[nodiscard]] report::profile stop();
    [[nodiscard]] bool is_started() const noexcept;
    /// Starts, waits for so much real time or until it is asked to stop, and stops: not on the
    /// thread of a loop.
    [[nodiscard]] report::profile collect(duration how_long,
                                          const std::stop_token& stop_early = {});
    [[nodiscard]] report::profile collect();

    [[nodiscard]] const cpu_profiler_options& options() const noexcept { return options_; }

    void on_slow_threshold(duration threshold) noexcept override;

private:
    class sampling;
    cpu_profiler_options options_;
    struct state;
    std::unique_ptr<state> state_;
};

/// A CPU profile for people: how much was seen, the tasks and the functions with the most CPU time
/// of their own, at most `most` of each.
[[nodiscard]] std::string cpu_profile_text(const report::profile& profile, std::size_t most = 10);

}  // namespace coroscope::instrumentation
