// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/detail/tick_clock.hpp>
#include <coroscope/runtime/early_wake_policy.hpp>
#include <coroscope/runtime/executor.hpp>
#include <coroscope/runtime/loop.hpp>

#include "inbox.hpp"
#include "observer_registry.hpp"
#include "task_fibers.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <atomic>
#include <memory>
#include <optional>
#include <vector>

namespace coroscope {

/// A loop's insides: the passes over the ready queue, the polls, the waits.
class loop::implementation {
public:
    implementation(loop& owner, const loop_options& options);
    ~implementation();
    implementation(const implementation&) = delete;
    implementation& operator=(const implementation&) = delete;

    void run();
    /// Throws `invalid_state_error` unless `run` may be called now, here.
    void expect_runnable() const;
    void close();
    void request_stop() noexcept { stopping_ = leaves_passes_ = true; }
    /// As `request_stop`, with one pass more for what is ready by then.
    void request_finish() noexcept { stopping_ = finishing_ = leaves_passes_ = true; }

    void attach(observer& o, hook_set hooks);
    void remove(observer& o) noexcept;
    void set_policy(schedule_policy* chosen) noexcept;
    void add(detail::pause_sink& sink) noexcept;
    void remove(detail::pause_sink& sink) noexcept;
    void set_slow_threshold(duration threshold) noexcept;
    [[nodiscard]] loop_statistics statistics() const noexcept;

    void submit(executor& in, std::unique_ptr<detail::executor_job> job);
    void end_task(detail::task_core& task, detail::completion_status status) noexcept;
    /// Runs a new task's first step inside the step that created it.
    void run_eagerly(detail::task_core& task);

    loop& self;
    detail::loop_core& core;
    detail::observer_registry observers;
    boost::asio::io_context io{1};
    std::atomic<loop_state> state{loop_state::idle};
    duration slow_threshold;
    task_factory factory;
    exception_handler handler;
    /// Somebody, on whichever thread, was given `io`: only then there is something to poll.
    std::atomic<bool> io_is_used = false;
    std::shared_ptr<executor> default_executor;
    std::size_t executor_threads;
    bool owns_executor = false;
    [[no_unique_address]] detail::task_fibers fibers;

private:
    class carried_job;

    void run_until_stopped();
    void run_watched_pass();
    template <bool Timed, bool Observed>
    void run_passes();
    template <bool Timed>
    void take_in_work();
    template <bool Timed, bool Observed>
    void run_ready(std::size_t count);
    void run_ready_by_policy(std::size_t count);
    void run_one_task(detail::task_core& task);
    void end_part_of_step() noexcept;
    /// What a policy is told of something that could run.
    [[nodiscard]] static schedule_policy::choice choice_of(detail::ready_entry entry) noexcept;
    /// None: the policy wants to wait.
    [[nodiscard]] std::optional<detail::ready_entry> take_next();
    [[nodiscard]] std::optional<detail::ready_entry> take_ready();
    void offer_in_order();
    [[nodiscard]] detail::ready_entry take_any();
    void find_early();
    void offer_limits();
    void offer_early(detail::ready_entry entry, bool is_limit);
    void wake_early(detail::ready_entry entry);
    [[nodiscard]] bool wakes_in_place_of_time();
    template <bool Timed, bool Observed>
    void run_task(detail::loop_core& c, detail::task_core& task);
    void finish_task(detail::task_core& task, detail::frame_base& root) noexcept;
    void run_handle(detail::handle_state& handle);
    void call(detail::handle_state& handle) noexcept;
    /// Files a step for the observers that want steps.
    void note_step(const step_record& step) noexcept;
    [[gnu::cold, gnu::noinline]] void notice_slow_step(const step_record& step) noexcept;
    [[gnu::cold, gnu::noinline]] void notice_slow_task(const detail::task_core& task,
                                                       std::uint64_t begin, await_site from,
                                                       await_site to) noexcept;
    void tell_slow_threshold() noexcept;
    void end_unstarted(detail::task_core& task) noexcept;

    void take_mail();
    void collect_timers();
    void idle();
    void block(const std::optional<duration>& limit);
    void arm_idle_timer(duration limit);
    void wait_for_work();
    void look_around();
    [[gnu::cold, gnu::noinline]] void look_around_if_due();
    void take_mail_and_timers();
    /// Returns how many handlers ran.
    std::size_t run_asio(bool may_block);
    std::size_t poll_asio();
    void look_for_more();
    void plan_polls(std::uint64_t now) noexcept;

    void abandon_jobs() noexcept;
    void job_done(std::unique_ptr<detail::executor_job> job) noexcept;
    void unlink(detail::executor_job& job) noexcept;
    void destroy_tasks() noexcept;

    // An empty poll of Asio costs as much as 10 to 30 steps, one that finds nothing new in a busy
    // server's sockets more. While there is work, time decides when to poll: between two
    // passes early, inside of one late, since a pass over fifty connections takes longer than the
    // first interval and ends by itself. Where steps are not timed, their number says when to read
    // the time.
    static constexpr duration time_between_polls = std::chrono::microseconds(50);
    static constexpr std::uint64_t in_pass_factor = 4;
    static constexpr std::size_t most_handlers_at_once = 16;  ///< of Asio, in one poll
    static constexpr std::size_t steps_between_looks = 64;    ///< at the time, if steps are untimed

    using work_guard = boost::asio::executor_work_guard<boost::asio::io_context::executor_type>;
    work_guard guard_;
    boost::asio::steady_timer idle_timer_;
    // What the policy is offered, and where in the ready queue that is.
    std::vector<schedule_policy::choice> choices_;
    std::vector<std::size_t> places_;
    std::vector<std::uint64_t> orders_;          ///< of what stands before
    std::size_t held_ = 0;                       ///< ready, but the policy does not want it yet
    early_wake_policy* early_policy_ = nullptr;  ///< the policy, if it is one
    std::vector<early_wake_policy::early_choice> early_choices_;
    std::vector<detail::ready_entry> early_;   ///< what these are
    std::vector<detail::ready_entry> limits_;  ///< of one deadline
    detail::executor_job* first_job_ = nullptr;
    bool timed_;
    bool stopping_ = false;
    bool finishing_ = false;
    bool leaves_passes_ = false;  ///< after this one: to stop, or since what is wanted changes
    std::uint64_t slow_ticks_ = 0;
    detail::published<std::uint64_t> last_stamp_{
        0};  ///< the end of the last step: the beginning of the next
    std::uint64_t accounted_until_ = 0;
    std::uint64_t poll_at_ = 0;          ///< the stamp from which to poll before another pass
    std::uint64_t poll_in_pass_at_ = 0;  ///< the stamp from which to poll in the middle of one
    time_point idle_armed_until_ = time_point::max();  ///< the largest: not armed
    std::uint64_t poll_interval_ticks_;
    std::uint64_t steps_at_look_ = 0;  ///< `unpublished_steps_` at the last look at the time
    std::uint32_t looks_to_skip_ = 0;
    std::uint32_t fruitless_looks_ = 0;  ///< grows with each in a row, twofold
    std::uint64_t unpublished_steps_ = 0;
    const bool real_time_;  ///< the clock just waits: no need to poll before it is asked

    // Written by the loop's thread alone, read by any.
    struct counters {
        std::atomic<std::uint64_t> steps{0};
        std::atomic<std::uint64_t> callbacks{0};
        std::atomic<std::uint64_t> polls{0};
        std::atomic<std::uint64_t> busy_ticks{0};
        std::atomic<std::uint64_t> idle_ticks{0};
        std::atomic<std::size_t> ready{0};
        std::atomic<std::size_t> scheduled{0};
    };
    counters counters_;
    void account_steps() noexcept;
};

}  // namespace coroscope
