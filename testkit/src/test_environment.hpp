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
#include <vector>

namespace coroscope::testkit::detail {

/// One run of one test: its clock, its loop, what came of it.
class test_environment final : public test_context, private clock_supervisor {
public:
    test_environment(const test_options& options, await_site where);
    test_environment(const test_environment&) = delete;
    test_environment& operator=(const test_environment&) = delete;
    ~test_environment();

    [[nodiscard]] test_result run(const std::function<coro<>()>& body);
    void mark_background(const task_handle& t) { log_->mark_background(t.id()); }
    void note_body_failure(const std::exception_ptr& failure);
    void note_tear_down_failure(const std::exception_ptr& failure);
    /// For what is added to failed assertions: virtual time, seed, who asserts, all tasks.
    [[nodiscard]] std::string describe() const;
    void fail(test_failure failure);
    [[nodiscard]] bool is_background(std::uint64_t task_id) const noexcept override {
        return log_->is_background(task_id);
    }

    /// The one that runs on this thread; null if none does.
    [[nodiscard]] static test_environment* current() noexcept;

private:
    enum class phase : std::uint8_t { body, cleanup, closing };

    void open_loop();
    [[nodiscard]] bool report_orphans();
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
    void close_loop();

    void on_exception(const exception_context& context);
    void on_runaway(const std::string& what);
    void on_time_limit();
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
    bool body_ended_well_ = false;
    bool gave_up_ = false;    ///< the reason why the body did not end is known
    bool must_stop_ = false;  ///< no further attempt to clean up
};

}  // namespace coroscope::testkit::detail
