// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/instrumentation/finding_log.hpp>

#include <coroscope/report/finding.hpp>
#include <coroscope/report/slow_step.hpp>
#include <coroscope/runtime/clock.hpp>
#include <coroscope/runtime/observer.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace coroscope {
class loop;
namespace detail {
struct loop_core;
}
}  // namespace coroscope

namespace coroscope::instrumentation {

/// What `lints` look for; docs/lints.md has a section for each.
enum class lint_rule : std::uint8_t {
    never_awaited,            ///< a coroutine was created and destroyed unstarted
    destroyed_pending,        ///< a task was destroyed before its end
    lost_exception,           ///< an exception was never retrieved
    busy_loop,                ///< polls for something instead of waiting for it
    self_waking,              ///< makes itself ready again and again, from several lines
    never_yields,             ///< goes through many co_awaits in one step
    huge_frame,               ///< a coroutine whose frame is very large
    blocking_call,            ///< a system call that waited, on the loop's thread
    timer_flood,              ///< very many timers armed at one place
    task_growth,              ///< tasks of one place become more and more
    never_resumable,          ///< waits for what nothing alive can bring about
    mutex_across_suspension,  ///< a `std::mutex` was held across a co_await; needs `lock_watch`
    wrong_thread,             ///< the loop was used from another thread
};

/// As findings name it: `never-awaited`.
[[nodiscard]] std::string_view to_string(lint_rule rule);

struct lint_options {
    /// Rules that are not to be checked.
    std::vector<lint_rule> without{};
    /// Findings kept, each once a place.
    std::size_t capacity = 1000;
    /// `busy_loop`: failed attempts in a row, each in a step of its own and with no wait between
    /// them, of a task that calls `queue::get_nowait` on an empty queue or `put_nowait` on a full;
    /// and reads of the end of one stream after the first.
    std::uint32_t attempts = 5;
    /// `busy_loop` and `self_waking`: steps in a row after which a task had made itself ready
    /// again.
    std::uint32_t turns = 1000;
    /// Steps that took at least this much real time are work, and count as no such turn.
    duration work = std::chrono::microseconds(50);
    /// `never_yields`: times that one step may pass one place where it locks something free.
    std::uint32_t passages = 16;
    /// `huge_frame`: bytes; below 2 KiB nothing is known.
    std::size_t frame_bytes = std::size_t{16} * 1024;
    /// `task_growth`: unfinished tasks created at one place.
    std::size_t tasks = 10'000;
    /// `timer_flood`: timers armed for tasks that wait at one place, or callbacks set at one.
    std::size_t timers = 10'000;
    /// Called when a finding comes for the first, second, fourth, eighth ... time, on the thread
    /// of the loop, which runs nothing else meanwhile. What it throws goes to the exception
    /// handler of the loop that runs there; it is not called again then.
    std::function<void(const report::finding&)> handler{};
    /// The source position of an address in the program's code, empty if it is not known. Unset:
    /// the function's name, where the dynamic linker knows it (link with `-rdynamic`).
    std::function<report::source_position(const void*)> symbolise{};
};

/// Watches a loop for habits of its coroutines that cost time or memory, lose work, or hang, and
/// makes a finding of each: what, where, by which evidence, and what to do next.
///
///     coroscope::instrumentation::lints lints;
///     coroscope::run_options options;
///     options.prepare = [&lints](coroscope::loop& l) { lints.attach_to(l); };
///     coroscope::run(serve(), options);
///     for (const auto& found : lints.findings()) { std::cerr << found.message << '\n'; }
///
/// A rule fires once a place when its condition has held for a while, and again when the condition
/// had ceased meanwhile; occurrences after the first are counted. Conditions are counts of steps
/// and the like, not durations: what they find is the same on a slow machine and under a fake
/// clock.
///
/// Where `loop_options::time_stats` is off, there are no steps: spinning, growth and futures that
/// nobody can set are not seen then.
///
/// **Thread safety**: findings may be read from any thread at any time; everything else belongs to
/// the loop's thread. **Lifetime**: one object a loop; must outlive it, or be removed from it
/// (`loop::remove_observer`). `log()` outlives both. **Cost**: some nanoseconds a step and a wake;
/// what the other rules look at is rare anyway. Memory is bounded by the options.
class lints : public observer {
public:
    explicit lints(lint_options options = {});
    lints(const lints&) = delete;
    lints& operator=(const lints&) = delete;
    ~lints() override;

    /// Attaches it to its loop. Throws `std::logic_error` if it had one before.
    void attach_to(loop& l);

    /// Rule `blocking_call`, from what a stall watchdog has seen of a slow step: does nothing for
    /// one whose `cause` is unknown, or not `blocked`. For the handler of a `slow_spotter` that has
    /// a `stall_watchdog`. Any thread; the handler of these options is called on this one.
    void note_slow_step(const report::slow_step& step);

    /// The findings so far. Stays valid, and is shared, when this is gone.
    [[nodiscard]] std::shared_ptr<const finding_log> log() const noexcept { return log_; }
    /// Copies, in the order of their first occurrence. Any thread.
    [[nodiscard]] std::vector<report::finding> findings() const { return log_->findings(); }

    void on_steps(std::span<const step_record> steps) noexcept override;
    void on_task_woken(const task_info& task) noexcept override;
    void on_edge(edge_kind kind, std::uint64_t from, std::uint64_t to) noexcept override;
    void on_remark(const remark& made) noexcept override;
    [[nodiscard]] hook_set hooks() const noexcept override;

private:
    struct watches;
    [[nodiscard]] bool wants(lint_rule rule) const noexcept;
    template <class Make>
    void tell(lint_rule rule, std::uint64_t key, const Make& make) noexcept;
    void hand_over(const report::finding& found);
    [[nodiscard]] report::source_position position_of_code(const void* code) const;
    void look_at_population(const coroscope::detail::loop_core& core);
    void look_for_stuck_tasks(const coroscope::detail::loop_core& core, std::size_t steps);

    lint_options options_;
    std::uint32_t rules_;
    std::shared_ptr<finding_log> log_;
    std::unique_ptr<watches> watches_;
    std::uint32_t loop_id_ = 0;  ///< 0: none yet
    std::atomic<bool> handler_failed_{false};
};

}  // namespace coroscope::instrumentation
