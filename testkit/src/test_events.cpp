// SPDX-License-Identifier: Apache-2.0
#include "stuck_witness.hpp"
#include "task_report.hpp"
#include "test_environment.hpp"

#include <algorithm>
#include <typeinfo>
#include <utility>

// What a test's environment is told while the test runs.

namespace coroscope::testkit::detail {

void test_environment::fail(test_failure failure) {
    if (failure.exception != nullptr) {
        if (std::ranges::find(seen_, failure.exception) != seen_.end()) { return; }
        seen_.push_back(failure.exception);
        if (is_reported(failure.exception)) {
            result_.failed_elsewhere = true;
            return;
        }
    }
    result_.failures.push_back(std::move(failure));
}

bool test_environment::is_reported(const std::exception_ptr& exception) const {
    return *exception.__cxa_exception_type() == typeid(kept_assertion)
           || (options_.is_reported && options_.is_reported(exception));
}

void test_environment::keep_assertion(std::string text) {
    fail({failure_kind::assertion, std::move(text), nullptr, {}});
}

bool test_environment::fails_on(std::string_view rule) const {
    return std::ranges::find(options_.fail_on, rule) != options_.fail_on.end();
}

void test_environment::note_body_failure(const std::exception_ptr& failure) {
    if (phase_ != phase::body || coroscope::detail::is_cancellation(failure)) { return; }
    fail({failure_kind::exception,
          "an exception left the test's body: " + exception_text(failure),
          failure,
          {}});
}

void test_environment::note_tear_down_failure(const std::exception_ptr& failure) {
    const bool is_cancelled = coroscope::detail::is_cancellation(failure);
    if (is_cancelled && phase_ == phase::body) { std::rethrow_exception(failure); }
    fail({failure_kind::exception,
          is_cancelled
              ? "the fixture's tear_down was cancelled before its end: it could not go on by itself"
              : "an exception left the fixture's tear_down: " + exception_text(failure),
          failure,
          {}});
}

void test_environment::on_exception(const exception_context& context) {
    if (context.exception == nullptr) {
        if (phase_ == phase::closing) { return; }  // tasks that are destroyed were reported
        fail({failure_kind::clock, context.message + "\n    at " + to_string(context.created_at),
              nullptr, context.created_at});
        return;
    }
    if (clock_.has_taken(context.exception)) { return; }
    auto text = context.message + "\n    " + exception_text(context.exception);
    if (context.task_id != 0) {
        text += "\n    task " + std::to_string(context.task_id) + " (" + context.task_name + ")";
    }
    if (context.created_at.line() != 0) {
        text += "\n    created at " + to_string(context.created_at);
    }
    fail({failure_kind::unretrieved, std::move(text), context.exception, context.created_at});
}

// --- Tests that cannot go on

std::string test_environment::describe_blocked() const {
    auto tasks = blocked_tasks(*loop_);
    const auto cycles = await_cycles(tasks);
    std::erase_if(tasks, [this](const auto& task) { return is_background(task.view.id); });
    return to_text(tasks) + cycles;
}

idle_action test_environment::on_stuck(const idle_state& state) {
    idle_action quit;
    quit.what = idle_action::kind::quit;
    if (phase_ != phase::body) { return quit; }
    gave_up_ = true;
    if (!state.next_deadline.has_value()) { on_hang(); }
    std::string text =
        "deadlock: nothing can run, no timer is armed, and nothing external is "
        "awaited";
    if (state.next_deadline.has_value()) {
        text =
            "deadlock: nothing can run, and time stands still: autojump is off, no task moves "
            "the clock, and the next timer is due at "
            + seconds(state.next_deadline->time_since_epoch());
    }
    text += describe_blocked();
    const auto tasks = blocked_tasks(*loop_);
    if (std::ranges::any_of(
            tasks, [](const auto& task) { return task.view.waits_for == wait_kind::future; })) {
        text +=
            "\n    if another thread was to set a future: keep a testkit::outstanding_work "
            "until it has";
    }
    text += stuck_witness::all_notes();
    fail({failure_kind::deadlock, std::move(text), nullptr, {}});
    return quit;
}

void test_environment::on_runaway(const std::string& what) {
    must_stop_ = phase_ != phase::body;
    gave_up_ = true;
    fail({failure_kind::runaway, what, nullptr, {}});
    loop_->stop();
}

void test_environment::on_time_limit() {
    must_stop_ = phase_ != phase::body;
    gave_up_ = true;
    fail({failure_kind::time_limit,
          "the test has used up its real time limit; its tasks:" + describe_blocked(),
          nullptr,
          {}});
    loop_->stop();
}

std::string test_environment::describe() const {
    if (loop_ == nullptr) { return {}; }
    auto text = facts(clock_.elapsed(), seed_);
    const auto& core = loop_->core();
    const auto tasks = blocked_tasks(*loop_);
    const auto runs = std::ranges::find_if(tasks, [&core](const auto& task) {
        return core.current != nullptr && task.view.id == core.current->id();
    });
    if (runs != tasks.end()) {
        text += "\nin task " + std::to_string(runs->view.id) + " (" + runs->view.name + ")";
    }
    return text + "\ntasks:" + to_text(tasks);
}

// --- Tests that get an error instead of what they wait for

void test_environment::interrupt_all(const std::exception_ptr& why) {
    for (const auto& task : all_tasks(*loop_)) {
        task.core().interrupt(why);
    }
}

void test_environment::on_idle_timeout() {
    interrupt_all(std::make_exception_ptr(
        idle_timeout_error("nothing external (I/O, executor jobs, other threads) came for "
                           + seconds(*options_.idle_timeout) + " of real time")));
}

void test_environment::on_end_of_time() {
    interrupt_all(std::make_exception_ptr(end_of_time_error("virtual time has come to its end, "
                                                            + seconds(*options_.end_of_time)
                                                            + " after the test began")));
}

void test_environment::on_hold_given_up(const std::string& held_by) {
    auto text = "virtual time went on though I/O was in flight: " + held_by;
    if (fails_on("hold-given-up")) {
        fail({failure_kind::rule, "hold-given-up: " + text, nullptr, {}});
    } else {
        result_.notes.push_back(std::move(text));
    }
}

}  // namespace coroscope::testkit::detail
