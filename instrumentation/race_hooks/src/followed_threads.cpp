// SPDX-License-Identifier: Apache-2.0
// Threads that the user's code starts with std::thread, and so with std::jthread and std::async: by
// the function of the shared library that they all call (--wrap, see coroscope_detect_races).
#include "fork_safe_mutex.hpp"
#include "seen_access.hpp"

#include <coroscope/runtime/detail/job_follower.hpp>

#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>

namespace {

using coroscope::detail::followed_job;
using coroscope::instrumentation::detail::fork_safe_mutex;
using coroscope::instrumentation::detail::is_for_user;
using coroscope::instrumentation::detail::this_stretch;
using thread_state = std::thread::_State;  // NOLINT(bugprone-reserved-identifier)

/// What a thread runs, between its beginning and its end.
class followed_state final : public thread_state {
public:
    followed_state(std::unique_ptr<thread_state> inner, std::shared_ptr<followed_job> job) noexcept
        : inner_(std::move(inner)),
          job_(std::move(job)) {}
    void _M_run() override {
        job_->begin();
        inner_->_M_run();
        inner_ = nullptr;  // by this thread, too
        job_->end();
    }

private:
    std::unique_ptr<thread_state> inner_;
    std::shared_ptr<followed_job> job_;
};

/// Those that nobody has joined. **Thread safety**: any thread.
class started_threads {
public:
    void add(std::thread::native_handle_type thread, std::shared_ptr<followed_job> job) {
        const std::scoped_lock lock(mutex_);
        if (jobs_ == nullptr) { jobs_ = new jobs_by_thread; }
        (*jobs_)[thread] = std::move(job);
    }
    [[nodiscard]] std::shared_ptr<followed_job> take(std::thread::native_handle_type thread) {
        const std::scoped_lock lock(mutex_);
        if (jobs_ == nullptr) { return nullptr; }
        auto found = jobs_->extract(thread);
        return found.empty() ? nullptr : std::move(found.mapped());
    }

private:
    using jobs_by_thread =
        std::unordered_map<std::thread::native_handle_type, std::shared_ptr<followed_job>>;
    fork_safe_mutex mutex_;
    jobs_by_thread* jobs_ = nullptr;  ///< never destroyed: threads may be left at the end
};
constinit started_threads all_started;

[[nodiscard]] std::shared_ptr<followed_job> take_from_user(std::thread& thread) {
    const coroscope::detail::own_accesses inside;
    return all_started.take(thread.native_handle());
}

}  // namespace

extern "C" {

void __real__ZNSt6thread15_M_start_threadESt10unique_ptrINS_6_StateESt14default_deleteIS1_EEPFvvE(
    std::thread* thread, std::unique_ptr<thread_state>* state, void (*depends)());
void __wrap__ZNSt6thread15_M_start_threadESt10unique_ptrINS_6_StateESt14default_deleteIS1_EEPFvvE(
    std::thread* thread, std::unique_ptr<thread_state>* state, void (*depends)()) {
    auto* const follower = coroscope::detail::job_listener;
    const bool is_seen =
        this_stretch.number != 0 && follower != nullptr && is_for_user(COROSCOPE_CALLER);
    const auto job = is_seen ? follower->follow_thread() : nullptr;
    if (job != nullptr) {
        const coroscope::detail::own_accesses inside;
        *state = std::make_unique<followed_state>(std::move(*state), job);
    }
    __real__ZNSt6thread15_M_start_threadESt10unique_ptrINS_6_StateESt14default_deleteIS1_EEPFvvE(
        thread, state, depends);
    if (job == nullptr) { return; }
    const coroscope::detail::own_accesses inside;
    all_started.add(thread->native_handle(), job);
}

void __real__ZNSt6thread4joinEv(std::thread* thread);
void __wrap__ZNSt6thread4joinEv(std::thread* thread) {
    const auto job = take_from_user(*thread);
    __real__ZNSt6thread4joinEv(thread);
    if (job != nullptr) { job->deliver(); }
}

void __real__ZNSt6thread6detachEv(std::thread* thread);
void __wrap__ZNSt6thread6detachEv(std::thread* thread) {
    const auto job = take_from_user(*thread);
    __real__ZNSt6thread6detachEv(thread);
}

}  // extern "C"
