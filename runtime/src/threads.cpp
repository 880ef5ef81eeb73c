// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/threads.hpp>

#include <coroscope/runtime/detail/job_follower.hpp>
#include <coroscope/runtime/error.hpp>

#include <string>

namespace coroscope {
namespace detail {

bool thread_result_base::done() const {
    const std::scoped_lock lock(mutex_);
    if (status_ == completion_status::pending) { return false; }
    note_taken();
    return true;
}

void thread_result_base::note_given() const noexcept {
    if (job_listener != nullptr) { job_listener->note_given(this); }
}

void thread_result_base::note_taken() const noexcept {
    if (job_listener != nullptr) { job_listener->note_taken(this); }
}

bool thread_result_base::cancelled() const {
    const std::scoped_lock lock(mutex_);
    if (status_ != completion_status::cancelled) { return false; }
    note_taken();
    return true;
}

bool thread_result_base::wait_for(std::chrono::nanoseconds timeout) const {
    std::unique_lock lock(mutex_);
    const bool is_done =
        changed_.wait_for(lock, timeout, [this] { return status_ != completion_status::pending; });
    if (is_done) { note_taken(); }
    return is_done;
}

void thread_result_base::wait() const {
    std::unique_lock lock(mutex_);
    if (status_ == completion_status::pending) { expect_other_thread(); }
    changed_.wait(lock, [this] { return status_ != completion_status::pending; });
    note_taken();
}

void thread_result_base::expect_other_thread() const {
    if (running_loop == nullptr || running_loop->id != loop_id_) { return; }
    throw invalid_state_error("thread_future::get was called on the thread of loop "
                              + std::to_string(loop_id_)
                              + ", which would wait for itself; create_task and co_await there");
}

bool thread_result_base::cancel(std::string_view message) {
    {
        const std::scoped_lock lock(mutex_);
        if (status_ != completion_status::pending) { return false; }
        status_ = completion_status::cancelled;
        exception_ = cancellation_of(message);
    }
    changed_.notify_all();
    auto pass_on = [self = shared_from_this(), text = std::string(message)] {
        if (self->running.valid()) { self->running.cancel(text); }
    };
    post_mail(*mail_, std::move(pass_on));
    return true;
}

void thread_result_base::finish(completion_status status, std::exception_ptr why) noexcept {
    {
        const std::scoped_lock lock(mutex_);
        if (status_ != completion_status::pending) { return; }
        note_given();
        status_ = status;
        exception_ = std::move(why);
    }
    changed_.notify_all();
}

void thread_result_base::abandon() noexcept {
    finish(
        completion_status::exception,
        std::make_exception_ptr(broken_loop_error(
            "the loop was closed before the coroutine given to run_coroutine_threadsafe began")));
}

void thread_result_base::throw_unless_value() const {
    const std::scoped_lock lock(mutex_);
    note_taken();
    if (status_ == completion_status::value) { return; }
    if (exception_ != nullptr) { std::rethrow_exception(exception_); }
    throw cancelled_error();
}

}  // namespace detail

void cancel_threadsafe(const task_handle& target, std::string_view message) {
    const auto& core = target.core();
    auto cancel = [id = core.id(), text = std::string(message)] {
        for (auto& t : all_tasks(get_running_loop())) {
            if (t.id() == id) { t.cancel(text); }
        }
    };
    detail::post_mail(*core.loop->mail, std::move(cancel));
}

}  // namespace coroscope
