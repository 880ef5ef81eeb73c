// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/instrumentation/finding_log.hpp>
#include <coroscope/instrumentation/races/race_candidate.hpp>

#include <coroscope/report/finding.hpp>
#include <coroscope/runtime/observer.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace coroscope {
class loop;
}

namespace coroscope::instrumentation {

/// Findings that match all that is given here are harmless, for a reason: they are counted, and not
/// listed.
struct race_suppression {
    std::string reason{};  ///< for people
    std::string rule{};    ///< one of `race_rules()`; empty here and below: any
    std::string symbol{};  ///< a part of the variable's name, or of a function's
    std::string file{};    ///< a part of the path of a line in it
    std::string task{};    ///< the whole name of one of the tasks
};

struct race_options {
    /// Findings kept, each once for the lines that it is about.
    std::size_t capacity = 1000;
    /// The accesses to one variable that are remembered; at least 4. Those of one task at the same
    /// lines count once; of many tasks at the same lines, some stand for all.
    std::size_t accesses_a_variable = 32;
    std::vector<race_suppression> suppressions{};
    /// A task starves (`starvation`) that has asked for the same thing so many times, each time in
    /// vain, while others who came later got it as many times. 0: none does.
    std::size_t starved_after = 100;
    /// The loop's schedule policy, if it has one, runs what is ready first in, first out, as loops
    /// without one do. Under others nobody's starving is judged.
    bool runs_in_default_order = false;
};

/// Watches one loop's tasks and callbacks and what they do to annotated variables and to the
/// library's locks, and finds what goes wrong in this order of events or could in another: a value
/// that is out of date when it is written back, a test that no longer holds, half of an update,
/// locks that are taken in both orders. See `docs/races.md`.
///
///     coroscope::instrumentation::race_detector races;
///     coroscope::run_options options;
///     options.prepare = [&](coroscope::loop& l) { races.attach_to(l); };
///     coroscope::run(program(), options);
///     for (const auto& found : races.findings()) { std::cerr << found.message << '\n'; }
///
/// What it finds is *predicted*, since a pattern is no failure: `testkit::explore` tries the
/// candidates. A contract that was broken, and a hang (`note_hang`), are
/// confirmed.
///
/// **Thread safety**: `log()` from any thread; everything else belongs to the loop's thread, on
/// which `attach_to` is called. **Lifetime**: must outlive the loop, or be detached; detectors that
/// are attached on one thread are detached in reverse order. **Cost**: a comparison and a store for
/// an access in the segment that made the last one; another is remembered, and judged beside
/// earlier ones. Memory is bounded for each variable and each live task.
class race_detector {
public:
    /// Throws `std::invalid_argument` where a suppression names a rule that there is not.
    explicit race_detector(race_options options = {});
    race_detector(const race_detector&) = delete;
    race_detector& operator=(const race_detector&) = delete;
    ~race_detector();

    /// Throws `std::logic_error` if it is attached already.
    void attach_to(loop& l);
    /// What was found stays.
    void detach() noexcept;

    /// Whoever runs the loop has found that nothing can happen any more, and tasks wait: adds what
    /// explains it, signals that were missed (`lost-wakeup`) and what `find_deadlocks` finds.
    void note_hang() noexcept;

    /// In the order of their first occurrence.
    [[nodiscard]] std::vector<report::finding> findings();
    /// Those that another order could show, and how to get there.
    [[nodiscard]] std::vector<race_candidate> candidates();
    /// How much was found that is harmless: marked by `benign`, or suppressed.
    [[nodiscard]] std::uint64_t benign_count();
    /// How many places vector clocks have, for those who want to know what they cost: as many as
    /// tasks lived at one time that accessed something, and some.
    [[nodiscard]] std::size_t clock_slots_used() const noexcept;
    /// Stays valid, and is shared, when this is gone.
    [[nodiscard]] std::shared_ptr<const finding_log> log() const noexcept;

private:
    class watcher;
    race_options options_;
    std::unique_ptr<watcher> watcher_;
};

}  // namespace coroscope::instrumentation
