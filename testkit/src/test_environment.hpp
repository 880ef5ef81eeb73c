// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/testkit/test_run.hpp>

#include "event_log.hpp"
#include "leaks/live_heap.hpp"

#include <coroscope/instrumentation/lints.hpp>
#include <coroscope/runtime/exception_context.hpp>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace coroscope::testkit::detail {

/// What a test runs in: its clock, its loop, what came of it. For one run, or for one after the
/// other (see `explored_environment`).
class test_environment : public test_context, private clock_supervisor {
public:
    test_environment(const test_options& options, await_site where);
    test_environment(const test_environment&) = delete;
    test_environment& operator=(const test_environment&) = delete;
    virtual ~test_environment();

    [[nodiscard]] test_result run(const std::function<coro<>()>& body);
    void mark_background(const task_handle& t) { log().mark_background(t.id()); }
    void note_body_failure(const std::exception_ptr& failure);
    void note_tear_down_failure(const std::exception_ptr& failure);
    /// For what is added to failed assertions: virtual time, seed, who asserts, all tasks.
    [[nodiscard]] std::string describe() const;
    void fail(test_failure failure);
    [[nodiscard]] bool is_background(std::uint64_t task_id) const noexcept override {
        return log().is_background(task_id);
    }

    /// The one that runs on this thread; null if none does.
    [[nodiscard]] static test_environment* current() noexcept;
    /// A `fault_point` was reached. True: it is to fail.
    [[nodiscard]] virtual bool decide_fault(std::string_view name);

    /// Whether failed assertions are failures of this run, of which no test framework is told.
    [[nodiscard]] virtual bool keeps_assertions() const noexcept { return false; }
    void keep_assertion(std::string text);

protected:
    /// Runs the body and judges what came of it, on a loop that is open and has nothing to do; then
    /// cleans up.
    void execute(const std::function<coro<>()>& body);
    /// Makes a loop with the test's clock and prepares it.
    void open_loop();
    /// Takes what is known of the loop's steps, and destroys it with everything in it.
    void close_loop();
    /// Another run begins, on a loop that has nothing to do: all is as when the loop was new.
    void restart();
    /// Nothing is left of the last run that the next could notice.
    [[nodiscard]] bool is_as_new() const noexcept {
        return loop_->is_as_new() && loop_->core().hooks == hooks_ && lints_ == nullptr
               && heap_ == nullptr;  // these tell what they have found when the loop is closed
    }
    /// True if exceptions had surfaced of tasks whose loop is gone.
    [[nodiscard]] bool report_orphans(const char* when);
    void on_runaway(const std::string& what);
    void on_time_limit();

    [[nodiscard]] const test_options& options() const noexcept { return options_; }
    [[nodiscard]] await_site where() const noexcept { return where_; }
    [[nodiscard]] test_result& result() noexcept { return result_; }

private:
    enum class phase : std::uint8_t { body, cleanup, closing };

    /// Called when a loop was made, and before it goes.
    virtual void watch_loop();
    virtual void unwatch_loop() noexcept { log_.reset(); }
    [[nodiscard]] virtual run_log& log() noexcept { return *log_; }
    [[nodiscard]] virtual const run_log& log() const noexcept { return *log_; }
    [[nodiscard]] virtual bool measures_steps() const noexcept { return true; }
    /// Called when the body has ended, one way or another.
    virtual void on_body_ended() {}
    /// The body has not ended, and nothing can happen any more.
    virtual void on_hang() noexcept {}

    void set_up_clock();
    void hear_exceptions();
    void run_body(const std::function<coro<>()>& body);
    void judge_body(const any_task& body);
    void run_loop();
    void run_grace_round();
    void report_leaks();
    void report_tasks();
    void report_jobs();
    void report_timers();
    void report_sockets();
    void report_heap(std::uint32_t loop_id);
    void report_findings();
    void cancel_and_await_all();

    [[nodiscard]] bool is_reported(const std::exception_ptr& exception) const;
    void on_exception(const exception_context& context);
    void interrupt_all(const std::exception_ptr& why);
    [[nodiscard]] bool fails_on(std::string_view rule) const;
    [[nodiscard]] std::string describe_blocked() const;

    [[nodiscard]] idle_action on_stuck(const idle_state& state) override;
    void on_idle_timeout() override;
    void on_end_of_time() override;
    void on_hold_given_up(const std::string& held_by) override;

    test_options options_;
    await_site where_;
    test_environment* outer_;
    std::unique_ptr<event_log> log_;
    std::unique_ptr<instrumentation::lints> lints_;  ///< null: no rule of theirs was named
    std::unique_ptr<live_heap> heap_;                ///< null: nobody asks
    test_result result_;
    std::vector<std::exception_ptr> seen_;
    phase phase_ = phase::body;
    std::uint64_t body_id_ = 0;
    hook_set hooks_ = 0;  ///< that are wanted of the loop as it was made
    bool debug_ = false;
    bool body_ended_well_ = false;
    bool gave_up_ = false;    ///< the reason why the body did not end is known
    bool must_stop_ = false;  ///< no further attempt to clean up
};

}  // namespace coroscope::testkit::detail
