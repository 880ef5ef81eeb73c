// SPDX-License-Identifier: Apache-2.0
#include "failure_cause.hpp"

#include "serial_walk.hpp"
#include "shrink.hpp"
#include "step_positions.hpp"

#include <coroscope/instrumentation/races.hpp>
#include <coroscope/runtime/detail/tick_clock.hpp>

#include <algorithm>
#include <iterator>
#include <utility>

namespace coroscope::testkit::detail {
namespace {

using coroscope::detail::tick_clock;
using instrumentation::order_that_passes;

constexpr std::size_t most_turned_round = 64;
constexpr int most_serial_runs = 16;

/// The other way round of what this candidate needs.
[[nodiscard]] bool undoes(const directed_run& reversed, const directed_run& candidate) {
    const auto& made = reversed.steered.holds.front();
    return std::ranges::any_of(candidate.steered.holds, [&](const hold& needed) {
        return needed == hold{made.until, made.passed, made.agent, made.await};
    });
}

class cause_finder {
public:
    cause_finder(explored_environment& in, const explored_test& test,
                 const std::vector<directed_run>& runs, const search_budget& most)
        : environment_(in),
          test_(test),
          runs_(runs),
          most_(most) {}

    [[nodiscard]] failure_cause find() {
        find_pair();
        if (!cause_.found.has_value()) { find_serial_run(); }
        if (cause_.found.has_value() && !fails_again()) { cause_.found.reset(); }
        return std::move(cause_);
    }

private:
    [[nodiscard]] bool has_budget() const {
        return !is_in_vain_ && cause_.executions < most_.executions
               && tick_clock::now() < most_.deadline;
    }

    /// What a detector has seen happen, and does not happen in this order.
    [[nodiscard]] const report::finding* seen_by(const directed_run& run) const {
        const auto found = std::ranges::find_if(runs_, [&](const directed_run& each) {
            return each.has_happened && undoes(run, each);
        });
        return found != runs_.end() ? &*found->predicted : nullptr;
    }

    void find_pair() {
        std::vector<const directed_run*> others;  // first those of which something was seen
        for (const bool was_seen : {true, false}) {
            for (const auto& each : runs_) {
                if (each.predicted.has_value()) { continue; }
                if ((seen_by(each) != nullptr) == was_seen) { others.push_back(&each); }
            }
        }
        others.resize(std::min(others.size(), most_turned_round));
        const auto passing = std::ranges::find_if(
            others, [&](const directed_run* run) { return has_budget() && passes(*run); });
        if (passing == others.end()) { return; }
        auto told = (*passing)->reversed;
        told.fails_as_seen = true;
        cause_.found = describe(told);
        if (const auto* seen = seen_by(**passing); seen != nullptr) {
            const auto reversed = std::exchange(*cause_.found, *seen);
            add_order_that_passes(*cause_.found, reversed);
        }
    }

    void find_serial_run() {
        const auto seen = std::ranges::find_if(runs_, &directed_run::has_happened);
        if (seen == runs_.end()) { return; }
        serial_walk walk(environment_);
        for (int i = 0; i < most_serial_runs && has_budget() && !walk.exhausted(); ++i) {
            ++cause_.executions;
            const auto& result =
                environment_.run(walk, environment_.seed(), test_.max_steps, test_.body);
            if (!result.ok() || environment_.has_failed_since()) { continue; }
            cause_.found = seen->predicted;
            cause_.found->evidence.push_back(
                {order_that_passes,
                 "a serial run: each task goes on for as long as it can",
                 {},
                 {}});
            return;
        }
    }

    /// The steps came the other way round, and nothing failed.
    [[nodiscard]] bool passes(const directed_run& run) {
        const auto done = run_watched(run.steered);
        // An order that the time limit ends says nothing, and the next one may take as long.
        is_in_vain_ = !done.result.ok() && !depends_on_order(done.result);
        const step_positions positions(environment_.driver().agents(), done.trace);
        return !has_failed_ && positions.have_kept(run.steered);
    }

    /// What failed once and never again is due to something else than an order.
    [[nodiscard]] bool fails_again() {
        schedule default_order;
        default_order.seed = environment_.seed();
        static_cast<void>(run_watched(default_order));
        return has_failed_;
    }

    [[nodiscard]] scheduled_run run_watched(const schedule& steered) {
        instrumentation::race_detector detector;
        environment_.detect_with(&detector);
        auto done = run_schedule(environment_, test_, steered);
        environment_.detect_with(nullptr);
        ++cause_.executions;
        has_failed_ = !done.result.ok() || environment_.has_failed_since()
                      || std::ranges::any_of(detector.findings(), is_confirmed);
        return done;
    }

    explored_environment& environment_;
    const explored_test& test_;
    const std::vector<directed_run>& runs_;
    search_budget most_;
    bool has_failed_ = false;  ///< the last run
    bool is_in_vain_ = false;
    failure_cause cause_;
};

}  // namespace

failure_cause find_cause(explored_environment& in, const explored_test& test,
                         const std::vector<directed_run>& runs, const search_budget& most) {
    return cause_finder(in, test, runs, most).find();
}

void add_order_that_passes(report::finding& to, const report::finding& from) {
    std::ranges::copy_if(from.evidence, std::back_inserter(to.evidence),
                         [](const auto& item) { return item.label == order_that_passes; });
}

}  // namespace coroscope::testkit::detail
