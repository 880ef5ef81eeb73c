// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "schedule_driver.hpp"
#include "test_environment.hpp"
#include "watchdog.hpp"

#include <functional>
#include <optional>
#include <string>

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
    void on_body_ended() override;

    schedule_driver driver_;
    duration limit_;
    std::optional<time_guard> guard_;
    std::uint64_t restart_at_ = 0;  ///< the stamp from which the guard begins anew
};

/// Throws `std::logic_error`, naming `what` was called, inside a running loop.
void expect_no_loop(const char* what, await_site where);
/// For people.
[[nodiscard]] std::string exploration_of(const test_options& test, await_site where);

}  // namespace coroscope::testkit::detail
