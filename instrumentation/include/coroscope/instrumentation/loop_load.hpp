// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/report/finding.hpp>
#include <coroscope/report/histogram.hpp>
#include <coroscope/report/source_position.hpp>
#include <coroscope/runtime/clock.hpp>
#include <coroscope/runtime/observer.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

namespace coroscope::instrumentation {

struct load_counters;
struct load_pass;

/// One pass over the ready queue that took longer than the budget.
struct long_pass {
    std::chrono::system_clock::time_point when;  ///< it ended, about
    duration busy{};                             ///< all its steps together
    std::uint64_t steps = 0;
    std::size_t ready = 0;  ///< things that were ready when it began
    // Its longest step.
    duration longest{};
    std::string longest_name;      ///< of the task; empty: a callback
    report::source_position from;  ///< as for slow steps
    report::source_position to;
};

struct loop_load_options {
    /// What the steps of one pass may take together, exclusively, the longest one not counted: that
    /// is a slow step's business.
    duration iteration_budget = std::chrono::milliseconds(50);
    /// Long passes kept: the newest ones.
    std::size_t capacity = 100;
};

/// Totals since a `loop_load` was attached. The difference of two readings is about the time
/// between them.
struct load_reading {
    duration elapsed{};  ///< real time since the loop's first pass with the observer
    duration busy{};     ///< in steps that have ended
    std::uint64_t steps = 0;
    std::uint64_t passes = 0;
    std::uint64_t long_passes = 0;
    std::size_t ready = 0;  ///< when the last pass began
    std::size_t most_ready = 0;
    double mean_ready = 0;
    std::size_t scheduled = 0;  ///< timers armed when the last pass began
    std::size_t most_scheduled = 0;
    /// From a wake-up to the beginning of the task's next step. A yield is no wake-up.
    report::histogram wake_delay;

    /// The part of the time in which the loop was busy, from 0 to 1: since the beginning, or since
    /// an earlier reading of the same loop.
    [[nodiscard]] double utilisation() const noexcept;
    [[nodiscard]] double utilisation_since(const load_reading& earlier) const noexcept;
};

/// Measures how much a loop has to do: the part of the time that it is busy, how many things are
/// ready and how many timers armed, how long woken tasks wait for their turn, and which passes over
/// the ready queue took so long that everything else had to wait, although no single step was slow.
///
///     coroscope::instrumentation::loop_load load;
///     options.prepare = [&load](coroscope::loop& l) { l.add_observer(load); };
///     coroscope::run(serve(), options);
///     std::cerr << log_text(load.read());
///
/// Real time, also under a fake clock. Where `loop_options::time_stats` is off, only the queues are
/// known. Steps count when the loop tells of them: in batches, and at once before it waits.
///
/// **Thread safety**: attached to one loop, never to two at once; readings and records from any
/// thread at any time. **Lifetime**: must outlive the loop or be removed from it. **Cost**: a few
/// nanoseconds a step, and two time stamps a pass and a wake-up.
class loop_load final : public observer {
public:
    explicit loop_load(loop_load_options options = {});
    ~loop_load() override;

    [[nodiscard]] load_reading read() const;
    /// The newest of the passes over the budget, oldest first.
    [[nodiscard]] std::vector<long_pass> long_passes() const;
    /// The same as findings, rule `iteration-budget`: one for each place that a longest step ran
    /// from, with how often that was.
    [[nodiscard]] std::vector<report::finding> findings() const;

    void on_tick(std::size_t ready, std::size_t scheduled) noexcept override;
    void on_steps(std::span<const step_record> steps) noexcept override;
    void on_task_woken(const task_info& task) noexcept override;

private:
    void end_part_of_pass() noexcept;

    loop_load_options options_;
    std::uint64_t budget_ticks_;
    std::unique_ptr<load_counters> counters_;
    std::unique_ptr<load_pass> pass_;  ///< whose steps are being told
    mutable std::mutex mutex_;
    std::vector<long_pass> kept_;
};

/// For people: one line for utilisation, one for the queues, one for the delays.
[[nodiscard]] std::string log_text(const load_reading& reading);
/// One sentence, then, indented, the longest step's places.
[[nodiscard]] std::string log_text(const long_pass& pass);

}  // namespace coroscope::instrumentation
