// SPDX-License-Identifier: Apache-2.0
#include "loop_implementation.hpp"

#include <coroscope/runtime/detail/generator_promise.hpp>
#include <coroscope/runtime/detail/job_follower.hpp>
#include <coroscope/runtime/error.hpp>

#include "child_process.hpp"
#include "fork_safety.hpp"
#include "open_transports.hpp"
#include "watches.hpp"

#include <atomic>
#include <utility>

namespace coroscope {
namespace {

std::atomic<std::uint32_t> next_loop_id{1};

/// Releases a callback that will not run, whoever else holds a handle to it.
void drop(detail::handle_state& handle) noexcept {
    handle.loop = nullptr;
    handle.function.reset();
    handle.release();
}

}  // namespace

loop::implementation::implementation(loop& owner, const loop_options& options)
    : self(owner),
      core(*new detail::loop_core(
          owner, options.clock != nullptr ? *options.clock : system_monotonic_clock::instance())),
      observers(core),
      slow_threshold(options.slow_callback_duration),
      executor_threads(options.executor_threads),
      guard_(boost::asio::make_work_guard(io)),
      idle_timer_(io),
      timed_(options.time_stats),
      poll_interval_ticks_(detail::tick_clock::to_ticks(time_between_polls)),
      real_time_(dynamic_cast<system_monotonic_clock*>(core.time) != nullptr) {
    core.id = next_loop_id.fetch_add(1, std::memory_order_relaxed);
    core.mail = std::make_shared<detail::inbox>(io, core);
    core.step_began = timed_ ? &last_stamp_ : nullptr;
    set_slow_threshold(slow_threshold);
}

loop::implementation::~implementation() {
    core.self = nullptr;
    core.release();
}

void loop::implementation::close() {
    if (state.load() == loop_state::closed) { return; }
    if (state.load() != loop_state::idle) {
        throw invalid_state_error("a running loop cannot be closed; stop() it first");
    }
    detail::leave_parent(core);
    state.store(loop_state::closed);
    self.has_special_creation_ = true;  // what runs meanwhile cannot schedule
    observers.flush();
    abandon_jobs();
    core.mail->close();
    detail::remove_watches(io);
    detail::end_children(io);
    detail::forget_transports(io);
    destroy_tasks();
    while (core.first_generator != nullptr) {
        core.first_generator->leave_loop();
    }
    while (!core.ready.empty()) {  // tasks in it are gone by now
        const auto entry = core.ready.pop();
        if (!entry.is_task()) { drop(*entry.handle()); }
    }
    while (!core.timers.empty()) {
        const auto target = core.timers.pop().target;
        if (!target.is_task()) { drop(*target.handle()); }
    }
    account_steps();
}

void loop::implementation::destroy_tasks() noexcept {
    while (core.last_task != nullptr) {  // children before those who made them, as a rule
        auto& task = *core.last_task;
        exception_context context;
        context.message = "a task was destroyed while it was pending, because its loop was closed";
        context.task_id = task.id();
        context.task_name = display_name(task.id(), task.given_name());
        context.created_at = task.record().origin.load(std::memory_order_relaxed).call();
        remark made;
        made.kind = remark_kind::destroyed_pending;
        made.task_id = context.task_id;
        made.task_name = context.task_name;
        made.created_at = context.created_at;
        if (task.top != nullptr) { made.site = task.top->site; }
        core.notify_remark(made);
        self.call_exception_handler(context);
        task.destroy_frames();
        task.keep_exception(
            std::make_exception_ptr(broken_loop_error("the task's loop was closed")));
        end_task(task, detail::completion_status::cancelled);
    }
}

// --- Executor jobs

/// A job on its way: comes back to its loop, whether the executor ran it or dropped it.
class loop::implementation::carried_job {
public:
    carried_job(implementation& loop, std::unique_ptr<detail::executor_job> job) noexcept
        : loop_(&loop),
          mail_(loop.core.mail),
          job_(std::move(job)),
          followed_(detail::job_listener != nullptr ? detail::job_listener->follow(job_->created_at)
                                                    : nullptr) {}
    carried_job(carried_job&&) noexcept = default;
    carried_job& operator=(carried_job&&) = delete;
    ~carried_job() {
        if (job_ == nullptr) { return; }
        if (being_submitted == job_.get()) {
            being_submitted = nullptr;  // refused: nobody knows of it yet
        } else {
            come_back();
        }
    }
    void operator()() {
        job_->has_begun.store(true);
        if (followed_ != nullptr) { followed_->begin(); }
        {
            const detail::context_scope inside(job_->context);
            job_->run();
        }
        if (followed_ != nullptr) { followed_->end(); }
        come_back();
    }

    /// While the executor takes it, on this thread; null once it was dropped meanwhile.
    static constinit thread_local const detail::executor_job* being_submitted;

private:
    void come_back() {
        auto deliver = [loop = loop_, done = std::move(job_),
                        followed = std::move(followed_)]() mutable {
            if (followed != nullptr) { followed->deliver(); }
            loop->job_done(std::move(done));
        };
        detail::post_mail(*mail_, std::move(deliver));
    }
    implementation* loop_;
    std::shared_ptr<detail::inbox> mail_;
    std::unique_ptr<detail::executor_job> job_;
    std::shared_ptr<detail::followed_job> followed_;
};

constinit thread_local const detail::executor_job*
    loop::implementation::carried_job::being_submitted = nullptr;

void loop::implementation::submit(executor& in, std::unique_ptr<detail::executor_job> job) {
    auto* raw = job.get();
    carried_job::being_submitted = raw;
    std::uint64_t ticket = 0;
    try {
        ticket = in.submit_withdrawable(carried_job(*this, std::move(job)));
    } catch (...) {
        carried_job::being_submitted = nullptr;
        throw;
    }
    const bool is_taken = std::exchange(carried_job::being_submitted, nullptr) == raw;
    if (!is_taken) {
        throw invalid_state_error("an executor dropped a job instead of taking or refusing it");
    }
    // Only now, since an executor that throws has destroyed the job; still in time, since the
    // result comes back through the inbox, which this thread empties.
    raw->taken_by = ticket != 0 ? &in : nullptr;
    raw->ticket = ticket;
    raw->next = first_job_;
    if (first_job_ != nullptr) { first_job_->previous = raw; }
    first_job_ = raw;
    ++core.jobs;
}

void loop::implementation::job_done(std::unique_ptr<detail::executor_job> job) noexcept {
    unlink(*job);
    --core.jobs;
    job->deliver();
}

void loop::implementation::unlink(detail::executor_job& job) noexcept {
    (job.previous != nullptr ? job.previous->next : first_job_) = job.next;
    if (job.next != nullptr) { job.next->previous = job.previous; }
}

void loop::implementation::abandon_jobs() noexcept {
    for (auto* job = first_job_; job != nullptr; job = job->next) {
        job->abandon();
    }
    first_job_ = nullptr;
    core.jobs = 0;
}

void detail::executor_job::withdraw() noexcept {
    if (taken_by != nullptr && !has_begun.load()) { taken_by->withdraw(ticket); }
}

}  // namespace coroscope
