// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/detail/context_cell.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/future.hpp>

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <type_traits>
#include <utility>

namespace coroscope {
class executor;
}

namespace coroscope::detail {

/// A function on its way through an executor and back. Owned by whoever carries it: the executor,
/// then the inbox. The loop knows the jobs that are out, so that closing it can take its futures
/// out of them.
class executor_job {
public:
    executor_job() = default;
    executor_job(const executor_job&) = delete;
    executor_job& operator=(const executor_job&) = delete;
    virtual ~executor_job() = default;

    virtual void run() noexcept = 0;      ///< in the executor's thread
    virtual void deliver() noexcept = 0;  ///< on the loop's thread, afterwards
    virtual void abandon() noexcept = 0;  ///< on the loop's thread: the loop closes

    /// Takes it out of the executor if it has not begun: nobody wants its result.
    void withdraw() noexcept;

    std::atomic<bool> has_begun{false};
    executor* taken_by = nullptr;                     ///< null: it cannot be withdrawn
    std::uint64_t ticket = 0;                         ///< its number there
    context_reference context = inherited_context();  ///< `run` is called in it
    await_site created_at{};                          ///< the call that submits it
    executor_job* previous = nullptr;                 ///< links of the loop's list
    executor_job* next = nullptr;
};

/// The future of a job. Cancelling it withdraws the job if that has not begun.
template <class R>
class job_future final : public future_state<R> {
public:
    using future_state<R>::future_state;
    bool cancel(std::string_view message) override {
        const bool is_cancelled = future_state<R>::cancel(message);
        if (is_cancelled && job != nullptr) { job->withdraw(); }
        return is_cancelled;
    }
    executor_job* job = nullptr;  ///< while it is out
};

template <class F, class R>
class typed_job final : public executor_job {
public:
    typed_job(F f, future<R> target, job_future<R>& state)
        : function_(std::move(f)),
          target_(std::move(target)),
          state_(&state) {
        state.job = this;
    }

    void run() noexcept override {
        try {
            if constexpr (std::is_void_v<R>) {
                function_();
            } else {
                result_.set(function_());
            }
        } catch (...) { exception_ = std::current_exception(); }
    }
    void deliver() noexcept override {
        state_->job = nullptr;
        auto target = std::exchange(target_, {});
        if (target.done()) {
            return;  // cancelled meanwhile: nobody wants it
        }
        if (!has_begun.load()) {
            target.cancel("the executor was shut down before the job began");
        } else if (exception_) {
            target.set_exception(std::exchange(exception_, nullptr));
        } else if constexpr (std::is_void_v<R>) {
            target.set_result();
        } else {
            target.set_result(std::move(result_).get());
        }
    }
    void abandon() noexcept override {
        state_->job = nullptr;
        auto target = std::exchange(target_, {});
        if (!target.done()) {
            target.core().finish(completion_status::cancelled,
                                 std::make_exception_ptr(broken_loop_error(
                                     "the loop was closed before the job's result came")));
        }
    }

private:
    F function_;
    future<R> target_;
    job_future<R>* state_;  ///< the target's
    result_slot<R> result_;
    std::exception_ptr exception_;
};

}  // namespace coroscope::detail
