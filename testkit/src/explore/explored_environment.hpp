// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "outcome_log.hpp"
#include "schedule_driver.hpp"
#include "serial_outcomes.hpp"
#include "test_environment.hpp"
#include "watchdog.hpp"

#include <functional>
#include <optional>
#include <string>

namespace coroscope::instrumentation {
class race_detector;
}

namespace coroscope::testkit::detail {

/// Where the executions of an exploration run, one after the other, each judged as `run_test`
/// would. The loop and the clock are used again as long as an execution leaves nothing behind: to
/// make them costs more than most executions do.
class explored_environment final : public test_environment {
public:
    explored_environment(const test_options& options, await_site where);
    ~explored_environment() override;

    /// Runs `body` once. The result is valid until the next run.
    const test_result& run(search_strategy& strategy, std::uint64_t seed, std::uint64_t max_steps,
                           const std::function<coro<>()>& body);
    [[nodiscard]] schedule_driver& driver() noexcept { return driver_; }
    /// Nothing more is run: there is no time limit, either.
    void rest() noexcept { guard_.reset(); }
    [[nodiscard]] const schedule_driver& driver() const noexcept { return driver_; }

    /// The loop that the next run will use, too; null if the last one has left it unfit.
    [[nodiscard]] coroscope::loop* kept_loop() noexcept { return loop_.get(); }

    /// Unless they are an adapter's, which wants to report what happens in this run.
    [[nodiscard]] bool keeps_assertions() const noexcept override {
        return options().is_reported == nullptr;
    }
    [[nodiscard]] bool decide_fault(std::string_view name) override {
        return driver_.decide_fault(name);
    }
    /// Effects are kept from the next run on.
    void keep_outcomes() noexcept { keeps_outcomes_ = true; }
    /// An outcome that these do not allow fails its run. Null: none does.
    void expect_outcomes(const serial_outcomes* serial) noexcept {
        serial_ = serial;
        keeps_outcomes_ = serial != nullptr;
    }
    /// Watches the runs from the next one on. Null: none does.
    void detect_with(instrumentation::race_detector* detector) noexcept { detector_ = detector; }
    /// What the last run stated.
    [[nodiscard]] std::string outcome() const { return outcomes_.text(); }
    [[nodiscard]] const outcome_log& outcomes() const noexcept { return outcomes_; }
    /// When the last run's body ended, in the time of its loop.
    [[nodiscard]] time_point time_of_body();
    [[nodiscard]] bool is_background_agent(agent_index which);

    /// True, and a failure of the result, if an exception had surfaced before the first run.
    [[nodiscard]] bool has_failed_before() {
        return report_orphans("before this exploration, which therefore tried nothing");
    }
    /// True, and failures of the result, which was ok, if exceptions have surfaced since then, or
    /// of tasks whose own loop is gone.
    [[nodiscard]] bool has_failed_since();
    using test_environment::result;

private:
    void watch_loop() override;
    void unwatch_loop() noexcept override;
    [[nodiscard]] run_log& log() noexcept override { return driver_; }
    [[nodiscard]] const run_log& log() const noexcept override { return driver_; }
    [[nodiscard]] bool measures_steps() const noexcept override { return false; }
    void plan_restart();
    void judge_outcome();
    void on_body_ended() override;
    void on_hang() noexcept override;

    schedule_driver driver_;
    outcome_log outcomes_{driver_};
    const serial_outcomes* serial_ = nullptr;
    bool keeps_outcomes_ = false;
    instrumentation::race_detector* detector_ = nullptr;
    duration limit_;
    std::optional<time_guard> guard_;
    std::uint64_t restart_at_ = 0;  ///< the stamp from which the guard begins anew
};

/// Throws `std::logic_error`, naming `what` was called, inside a running loop.
void expect_no_loop(const char* what, await_site where);
/// For people.
[[nodiscard]] std::string exploration_of(const test_options& test, await_site where);

}  // namespace coroscope::testkit::detail
