// SPDX-License-Identifier: Apache-2.0
#include "explored_environment.hpp"

#include <coroscope/instrumentation/races.hpp>
#include <coroscope/runtime/detail/task_core.hpp>
#include <coroscope/runtime/detail/tick_clock.hpp>

#include <algorithm>
#include <stdexcept>

namespace coroscope::testkit::detail {

using coroscope::detail::tick_clock;

namespace {

class race_watch {
public:
    race_watch(instrumentation::race_detector* by, loop& of) : detector_(by) {
        if (detector_ != nullptr) { detector_->attach_to(of); }
    }
    race_watch(const race_watch&) = delete;
    race_watch& operator=(const race_watch&) = delete;
    ~race_watch() {
        if (detector_ != nullptr) { detector_->detach(); }
    }

private:
    instrumentation::race_detector* detector_;
};

}  // namespace

void expect_no_loop(const char* what, await_site where) {
    if (coroscope::detail::running_loop != nullptr) {
        throw std::logic_error(std::string(what) + " was called inside a running loop ("
                               + coroscope::to_string(where)
                               + "); it runs loops of its own, so call it outside");
    }
}

std::string exploration_of(const test_options& test, await_site where) {
    return "the exploration of '" + test.name + "' (" + coroscope::to_string(where) + ")";
}

explored_environment::explored_environment(const test_options& options, await_site where)
    : test_environment(options, where),
      driver_([this](const std::string& what) { on_runaway(what); }),
      limit_(effective_time_limit(options.time_limit)) {
    if (std::ranges::find(options.fail_on, "slow-step") != options.fail_on.end()) {
        throw std::invalid_argument(
            "test_options::fail_on has 'slow-step', which explorations do not know: they measure "
            "no real time; use run_test for it");
    }
}

explored_environment::~explored_environment() {
    if (loop_ != nullptr) { unwatch_loop(); }
}

void explored_environment::watch_loop() {
    loop_->set_schedule_policy(&driver_);
    guard_.emplace(limit_, *loop_,
                   "an execution of '" + options().name + "' (" + to_string(where()) + ")",
                   [this] { on_time_limit(); });
    plan_restart();
}

/// The time limit is one execution's. To set it anew for each would cost more than most of them do.
void explored_environment::plan_restart() {
    constexpr int parts = 16;
    restart_at_ = tick_clock::now() + tick_clock::to_ticks(limit_ / parts);
}

void explored_environment::on_body_ended() {
    if (loop_->core().policy != &driver_) {
        fail({failure_kind::schedule,
              "the test has set a schedule policy (loop::set_schedule_policy), in whose place the "
              "exploration's own could choose nothing; use run_test for it",
              nullptr,
              {}});
        loop_->set_schedule_policy(&driver_);
    }
    driver_.end_body();
}

void explored_environment::on_hang() noexcept {
    if (detector_ != nullptr) { detector_->note_hang(); }
}

void explored_environment::unwatch_loop() noexcept {
    guard_.reset();
    loop_->set_schedule_policy(nullptr);
}

void explored_environment::judge_outcome() {
    if (serial_ == nullptr || !result().ok()) { return; }
    if (driver_.has_ended_limits_early()) { return; }  // no serial run does
    const auto outcome = outcomes_.text();
    if (serial_->allow(outcome)) { return; }
    fail({failure_kind::outcome, serial_->describe(outcome), nullptr, {}});
}

time_point explored_environment::time_of_body() {
    return clock_.now() - clock_.elapsed() + result().virtual_elapsed;
}

bool explored_environment::is_background_agent(agent_index which) {
    for (const auto* task = loop_->core().first_task; task != nullptr; task = task->next) {
        if (driver_.task_agent(task->id()) == which) { return is_background(task->id()); }
    }
    return false;
}

const test_result& explored_environment::run(search_strategy& strategy, std::uint64_t seed,
                                             std::uint64_t max_steps,
                                             const std::function<coro<>()>& body) {
    const bool is_open = loop_ != nullptr;
    restart();
    if (!is_open) { open_loop(); }
    driver_.begin(strategy, seed, max_steps, clock_);
    {
        outcomes_.begin();
        const effect_listening hears(keeps_outcomes_ ? &outcomes_ : nullptr);
        const schedule_driver::listening listens(driver_);
        const race_watch watches(detector_, *loop_);
        execute(body);
    }
    judge_outcome();
    result().steps = driver_.steps();
    result().event_log_hash = driver_.hash();
    if (!result().ok() || !is_as_new()) { close_loop(); }
    driver_.end(!result().ok());
    if (guard_.has_value() && tick_clock::now() >= restart_at_) {
        guard_->restart();
        plan_restart();
    }
    return result();
}

bool explored_environment::has_failed_since() {
    for (auto& each : result().failures) {
        each.kind = failure_kind::between_tests;  // to run the same once more would not show it
    }
    return report_orphans(
        "between two executions, of a task or future that one has left to others");
}

}  // namespace coroscope::testkit::detail
