// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/report/latency_table.hpp>

#include <cstddef>
#include <memory>
#include <mutex>
#include <string>

namespace coroscope {
class loop;
}

namespace coroscope::instrumentation {

struct loop_histograms_options {
    /// Different coroutine functions; the tasks of further ones count under `(other)`.
    std::size_t max_coroutines = 256;
    /// Different names, counted for each coroutine that has tasks of that name. Tasks with further
    /// ones count under `(other)` by name, and still by their coroutine.
    std::size_t max_names = 256;
};

/// How long a loop's steps take, how late tasks get their turn, and how long they wait, as
/// histograms: by the coroutine function that a task runs, and by the task's name.
///
///     coroscope::instrumentation::loop_histograms histograms(loop);
///     loop.run_until_complete(serve());
///     std::cout << log_text(histograms.read());
///
/// Three durations: a *step*, from one resumption to the next suspension, also of callbacks, under
/// `(callbacks)`; a *delay*, from the moment when a task could go on to its step (after a wake-up,
/// a yield, its creation); and a *wait*, from its suspension to that moment. A task without a name
/// is `(unnamed)`. A task's coroutine is known from its first `co_await` on; one that ends without
/// any is `created at FILE:LINE`.
///
/// No coordinated omission: what is slow hides nothing, least of all itself.
/// - Steps, delays and waits that go on while they are read count with their age so far, in
///   `latency::going_on`: a loop that is stuck for ten seconds has a step of ten seconds.
/// - A delay begins when the step (or callback) began that woke the task, not when the loop got
///   round to it. After a sleep it begins at the deadline: tasks that came due while a step blocked
///   the loop are late by as long as that. (With the machine's clock; a fake clock's deadlines are
///   no real time, so there the wake-up counts.)
/// - Every pause is recorded, none is sampled, and a task that is late once is one entry for each
///   time that it was resumed, not for each time that it would have liked to be.
/// When data arrived at a socket, or a message in the inbox, while the loop was blocked, nobody
/// knows: those delays begin with the loop's next look.
///
/// Real time, whatever clock the loop has; nothing is seen where `loop_options::time_stats` is off.
/// What was going on before counts from the attachment on. What ends because its task is destroyed
/// is lost.
///
/// **Thread safety**: made and destroyed on the loop's thread, or while the loop does not run;
/// `read` and `take` from any thread, also while the loop is blocked. **Lifetime**: may outlive the
/// loop. **Cost**: the row `loop_histograms`, some 20 ns a step; 5 to 10 KiB for each pair of
/// coroutine and name, at most 45; 24 KiB, and up to 192 bytes for each of the most tasks
/// that were alive at once. Reading: some microseconds for each pair and each task alive.
class loop_histograms {
public:
    explicit loop_histograms(loop& watched, const loop_histograms_options& options = {});
    ~loop_histograms();
    loop_histograms(const loop_histograms&) = delete;
    loop_histograms& operator=(const loop_histograms&) = delete;

    /// Everything since the attachment. Readers with intervals of their own subtract:
    /// `latency_table::since`.
    [[nodiscard]] report::latency_table read() const;
    /// Everything since the last `take`, or the attachment: a reset that loses nothing. Whatever is
    /// recorded meanwhile is in exactly one `take`, this one or the next.
    [[nodiscard]] report::latency_table take();

private:
    class recorder;
    std::unique_ptr<recorder> recorder_;
    std::mutex mutex_;
    report::latency_table taken_;  ///< all that has been taken so far
};

/// For people: percentiles and maximum of each duration, of all tasks and then by coroutine and by
/// name, the one with the longest delay first. What goes on is counted, and said.
[[nodiscard]] std::string log_text(const report::latency_table& table);

}  // namespace coroscope::instrumentation
