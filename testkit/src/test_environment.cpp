// SPDX-License-Identifier: Apache-2.0
#include "test_environment.hpp"

#include "failing_rules.hpp"
#include "orphans.hpp"
#include "seed.hpp"
#include "task_report.hpp"
#include "unfinished_test.hpp"
#include "watchdog.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace coroscope::testkit::detail {
namespace {

constexpr int cleanup_rounds = 8;
constexpr std::uint64_t most_cleanup_steps = 1'000'000;

constinit thread_local test_environment* current_environment = nullptr;

/// Calls the body inside its task, where a loop runs. Its frame is not listed.
coro<> call(const std::function<coro<>()>& body) {
    auto work = body();
    co_await coroscope::detail::unlisted(work);
}

class loop_stopper final : public coroscope::detail::completion_waiter {
public:
    /// `then` is called at once, in the step in which what is waited for ends.
    loop_stopper(loop& l, std::function<void()> then) : loop_(l), then_(std::move(then)) {}
    void on_complete() noexcept override {
        loop_.stop();
        then_();
    }

private:
    loop& loop_;
    std::function<void()> then_;
};

}  // namespace

test_environment* test_environment::current() noexcept {
    return current_environment;
}

test_environment::test_environment(const test_options& options, await_site where)
    : options_(options),
      where_(where),
      outer_(std::exchange(current_environment, this)) {
    try {
        check_rules(options_.fail_on);
        seed_ = choose_seed(options_.seed);
    } catch (...) {
        current_environment = outer_;
        throw;
    }
    result_.seed = seed_;
    set_up_clock();
}

void test_environment::set_up_clock() {
    clock_.set_autojump(options_.autojump);
    clock_.set_io_policy(options_.io_policy);
    clock_.set_idle_timeout(options_.idle_timeout);
    if (options_.end_of_time.has_value()) {
        clock_.set_end_of_time(saturating_add(clock_.now(), *options_.end_of_time));
    }
}

test_environment::~test_environment() {
    if (loop_ != nullptr) {  // the run ended with an exception
        loop_->set_exception_handler({});
        clock_.set_supervisor(nullptr);
    }
    log_.reset();
    loop_.reset();
    current_environment = outer_;
}

bool test_environment::decide_fault(std::string_view name) {
    static_cast<void>(name);
    return false;
}

test_result test_environment::run(const std::function<coro<>()>& body) {
    const auto limit = effective_time_limit(options_.time_limit);
    if (report_orphans()) { return std::move(result_); }
    const auto description = "the test '" + options_.name + "' (" + to_string(where_) + ")";
    const unfinished_test begun(description);
    open_loop();
    {
        const time_guard guard(limit, *loop_, description, [this] { on_time_limit(); });
        execute(body);
        close_loop();
    }
    return std::move(result_);
}

void test_environment::execute(const std::function<coro<>()>& body) {
    run_body(body);
    phase_ = phase::cleanup;
    on_body_ended();
    if (!must_stop_ && loop_->is_as_new()) { return; }
    if (!must_stop_) {
        run_grace_round();
        run_grace_round();
    }
    report_leaks();
    cancel_and_await_all();
    report_sockets();
}

void test_environment::restart() {
    clock_.restart();
    set_up_clock();
    if (loop_ != nullptr) {
        hear_exceptions();
        if (loop_->debug() != debug_) { loop_->set_debug(debug_); }
        loop_->core().next_task_id = 1;
        loop_->core().next_object_id = 1;
    }
    if (!result_.ok() || !result_.notes.empty()) {
        result_ = {};
        result_.seed = seed_;
    }
    seen_.clear();
    phase_ = phase::body;
    body_ended_well_ = false;
    gave_up_ = false;
    must_stop_ = false;
}

bool test_environment::report_orphans() {
    for (const auto& context : take_orphans()) {
        fail({failure_kind::between_tests,
              "an exception surfaced before this test, which therefore did not run: "
                  + context.message + "\n    " + exception_text(context.exception)
                  + "\n    created at " + to_string(context.created_at),
              context.exception, context.created_at});
    }
    return !result_.ok();
}

void test_environment::open_loop() {
    loop_options settings;
    settings.clock = &clock_;
    settings.time_stats = measures_steps();
    loop_ = options_.make_loop ? options_.make_loop(settings)
                               : std::make_unique<coroscope::loop>(settings);
    if (loop_ == nullptr) {
        throw std::invalid_argument("test_options::make_loop returned no loop");
    }
    watch_loop();
    lints_ = lints_for(options_.fail_on);
    if (lints_ != nullptr) { lints_->attach_to(*loop_); }
    if (options_.check_heap) { heap_ = std::make_unique<live_heap>(); }
    hear_exceptions();
    hooks_ = loop_->core().hooks;
    debug_ = loop_->debug();
    clock_.set_supervisor(this);
    phase_ = phase::body;
}

void test_environment::hear_exceptions() {
    loop_->set_exception_handler(
        [this](coroscope::loop&, const exception_context& context) { on_exception(context); });
}

void test_environment::watch_loop() {
    event_log::limits most;
    most.steps = options_.max_steps;
    most.at_one_instant = options_.max_steps_at_one_instant;
    if (fails_on("slow-step")) { most.slow_step = loop_->slow_callback_duration(); }
    log_ = std::make_unique<event_log>(*loop_, most,
                                       [this](const std::string& what) { on_runaway(what); });
}

// --- The body

void test_environment::run_body(const std::function<coro<>()>& body) {
    const any_task task = loop_->create_task(call(body), options_.name, where_);
    body_id_ = task.id();
    {
        loop_stopper at_end(*loop_, [this] { on_body_ended(); });
        task.core().add_waiter(at_end);
        run_loop();
    }
    result_.virtual_elapsed = clock_.elapsed();
    for (const auto& exception : clock_.take_unseen_exceptions()) {
        fail({failure_kind::unretrieved,
              "an exception left a callback while time advanced\n    " + exception_text(exception),
              exception,
              {}});
    }
    judge_body(task);
}

void test_environment::judge_body(const any_task& body) {
    if (!body.done()) {
        if (!gave_up_) {
            fail({failure_kind::stopped,
                  "the loop was stopped before the test's body had ended" + describe_blocked(),
                  nullptr,
                  {}});
        }
    } else if (body.cancelled()) {
        fail({failure_kind::exception, "the test's body was cancelled by somebody", nullptr, {}});
    } else if (const auto exception = body.exception()) {
        fail({failure_kind::exception,
              "an exception left the test's body: " + exception_text(exception),
              exception,
              {}});
    } else {
        body_ended_well_ = true;
    }
}

void test_environment::run_loop() {
    try {
        loop_->run_forever();
    } catch (...) {
        gave_up_ = true;
        must_stop_ = true;
        const auto exception = std::current_exception();
        fail(
            {failure_kind::clock, "the loop gave up: " + exception_text(exception), exception, {}});
    }
}

/// One pass of the ready queue, time unchanged.
void test_environment::run_grace_round() {
    loop_->stop();
    run_loop();
}

// --- What is left; what of that is a leak is in leaks/test_leaks.cpp

void test_environment::cancel_and_await_all() {
    clock_.set_autojump(true);
    log().restart_count(most_cleanup_steps);
    for (int round = 0; round < cleanup_rounds && !must_stop_; ++round) {
        auto left = all_tasks(*loop_);
        if (left.empty()) { return; }
        std::ranges::reverse(left);  // children before their parents, whose variables they use
        for (const auto& task : left) {
            any_task(task).cancel("the test has ended");
        }
        for (const auto& task : left) {
            if (task.done() || must_stop_) { continue; }
            loop_stopper at_end(*loop_, [] {});
            task.core().add_waiter(at_end);
            run_loop();
        }
    }
    for (const auto& task : blocked_tasks(*loop_)) {
        if (gave_up_ && !body_ended_well_) { break; }  // reported as blocked already
        fail({failure_kind::not_cancellable,
              "a task went on although it was cancelled at the test's end: " + to_text(task),
              nullptr, task.view.created_at});
    }
}

void test_environment::close_loop() {
    phase_ = phase::closing;
    loop_->close();
    loop_->flush_steps();
    result_.event_log_hash = log().hash();
    result_.steps = log().steps();
    for (const auto& step : log().slow_steps()) {
        fail({failure_kind::rule, "slow-step: " + step, nullptr, {}});
    }
    report_findings();
    unwatch_loop();
    loop_->set_exception_handler({});
    clock_.set_supervisor(nullptr);
    const auto id = loop_->id();
    loop_.reset();
    report_heap(id);
    heap_.reset();
    lints_.reset();
}

}  // namespace coroscope::testkit::detail
