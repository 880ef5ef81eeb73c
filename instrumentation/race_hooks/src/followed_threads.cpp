// SPDX-License-Identifier: Apache-2.0
// Threads that the user's code starts: with pthread_create, or with std::thread, and so with
// std::jthread and std::async, by the functions of the shared library that they all call (--wrap,
// see coroscope_detect_races).
#include "fork_safe_mutex.hpp"
#include "seen_access.hpp"

#include <coroscope/runtime/detail/job_follower.hpp>

#include <ctime>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>

#include <pthread.h>

namespace {

using coroscope::detail::followed_job;
using coroscope::detail::own_accesses;
using coroscope::instrumentation::detail::fork_safe_mutex;
using coroscope::instrumentation::detail::is_for_user;
using coroscope::instrumentation::detail::share_stack;
using coroscope::instrumentation::detail::this_stretch;
using coroscope::instrumentation::detail::unshare_stack;
using job_pointer = std::shared_ptr<followed_job>;
using thread_state = std::thread::_State;  // NOLINT(bugprone-reserved-identifier)

/// While it lives, this thread does what its creator started it for. A thread may be unwound.
class followed_scope {
public:
    [[gnu::always_inline]] explicit followed_scope(job_pointer job) noexcept
        : job_(std::move(job)) {
        job_->begin();
    }
    followed_scope(const followed_scope&) = delete;
    followed_scope& operator=(const followed_scope&) = delete;
    ~followed_scope() { job_->end(); }

private:
    job_pointer job_;
};

/// What a std::thread runs, between its beginning and its end.
class followed_state final : public thread_state {
public:
    followed_state(std::unique_ptr<thread_state> inner, job_pointer job) noexcept
        : inner_(std::move(inner)),
          job_(std::move(job)) {}
    void _M_run() override {
        const followed_scope scope(std::move(job_));
        inner_->_M_run();
        inner_ = nullptr;  // by this thread, too
    }

private:
    std::unique_ptr<thread_state> inner_;
    job_pointer job_;
};

/// What a thread of the C library runs.
struct followed_function {
    void* (*function)(void*);
    void* argument;
    job_pointer job;

    static void* run(void* what) {
        const std::unique_ptr<followed_function> self(static_cast<followed_function*>(what));
        const followed_scope scope(std::move(self->job));
        return self->function(self->argument);
    }
};

/// Those that nobody has joined. **Thread safety**: any thread.
class started_threads {
public:
    void add(pthread_t thread, job_pointer job) {
        const std::scoped_lock lock(mutex_);
        if (jobs_ == nullptr) { jobs_ = new jobs_by_thread; }
        (*jobs_)[thread].swap(job);  // the one before, if there is one, ends without the lock
    }
    [[nodiscard]] job_pointer take(pthread_t thread) {
        const std::scoped_lock lock(mutex_);
        if (jobs_ == nullptr) { return nullptr; }
        auto found = jobs_->extract(thread);
        return found.empty() ? nullptr : std::move(found.mapped());
    }

private:
    using jobs_by_thread = std::unordered_map<pthread_t, job_pointer>;
    fork_safe_mutex mutex_;
    jobs_by_thread* jobs_ = nullptr;  ///< never destroyed: threads may be left at the end
};
constinit started_threads all_started;

[[nodiscard]] bool is_detached(const pthread_attr_t* attributes) noexcept {
    int state = PTHREAD_CREATE_JOINABLE;
    return attributes != nullptr && ::pthread_attr_getdetachstate(attributes, &state) == 0
           && state == PTHREAD_CREATE_DETACHED;
}

/// Null: nobody listens, or it is no thread of the user's.
[[nodiscard]] job_pointer follow(const void* caller) {
    auto* const follower = coroscope::detail::job_listener;
    if (this_stretch.number == 0 || follower == nullptr || !is_for_user(caller)) { return nullptr; }
    return follower->follow_thread();
}

void note_started(pthread_t thread, job_pointer job) {
    {
        const own_accesses inside;
        all_started.add(thread, std::move(job));
    }
    share_stack();
}

[[nodiscard]] job_pointer take_from_user(pthread_t thread) {
    const own_accesses inside;
    auto job = all_started.take(thread);
    if (job != nullptr) { unshare_stack(); }
    return job;
}

/// `join`: the C library's function, which may fail, or give up.
template <class Join>
int join_followed(pthread_t thread, Join join) {
    auto job = take_from_user(thread);
    const int error = join();
    if (job == nullptr) { return error; }
    if (error == 0) {
        job->deliver();
    } else {
        note_started(thread, std::move(job));
    }
    return error;
}

}  // namespace

extern "C" {

int __real_pthread_create(pthread_t* thread, const pthread_attr_t* attributes,
                          void* (*function)(void*), void* argument);
int __wrap_pthread_create(pthread_t* thread, const pthread_attr_t* attributes,
                          void* (*function)(void*), void* argument) {
    auto job = follow(COROSCOPE_CALLER);
    if (job == nullptr) { return __real_pthread_create(thread, attributes, function, argument); }
    std::unique_ptr<followed_function> start;
    {
        const own_accesses inside;
        start.reset(new followed_function{function, argument, job});
    }
    const int error =
        __real_pthread_create(thread, attributes, &followed_function::run, start.get());
    if (error == 0) {
        static_cast<void>(start.release());  // the thread's
        if (!is_detached(attributes)) { note_started(*thread, std::move(job)); }
    }
    return error;
}

int __real_pthread_join(pthread_t thread, void** result);
int __wrap_pthread_join(pthread_t thread, void** result) {
    return join_followed(thread, [=] { return __real_pthread_join(thread, result); });
}
int __real_pthread_tryjoin_np(pthread_t thread, void** result);
int __wrap_pthread_tryjoin_np(pthread_t thread, void** result) {
    return join_followed(thread, [=] { return __real_pthread_tryjoin_np(thread, result); });
}
int __real_pthread_timedjoin_np(pthread_t thread, void** result, const timespec* until);
int __wrap_pthread_timedjoin_np(pthread_t thread, void** result, const timespec* until) {
    return join_followed(thread,
                         [=] { return __real_pthread_timedjoin_np(thread, result, until); });
}
int __real_pthread_detach(pthread_t thread);
int __wrap_pthread_detach(pthread_t thread) {
    const auto job = take_from_user(thread);
    return __real_pthread_detach(thread);
}

void __real__ZNSt6thread15_M_start_threadESt10unique_ptrINS_6_StateESt14default_deleteIS1_EEPFvvE(
    std::thread* thread, std::unique_ptr<thread_state>* state, void (*depends)());
void __wrap__ZNSt6thread15_M_start_threadESt10unique_ptrINS_6_StateESt14default_deleteIS1_EEPFvvE(
    std::thread* thread, std::unique_ptr<thread_state>* state, void (*depends)()) {
    const auto job = follow(COROSCOPE_CALLER);
    if (job != nullptr) {
        const own_accesses inside;
        *state = std::make_unique<followed_state>(std::move(*state), job);
    }
    __real__ZNSt6thread15_M_start_threadESt10unique_ptrINS_6_StateESt14default_deleteIS1_EEPFvvE(
        thread, state, depends);
    if (job != nullptr) { note_started(thread->native_handle(), job); }
}

void __real__ZNSt6thread4joinEv(std::thread* thread);
void __wrap__ZNSt6thread4joinEv(std::thread* thread) {
    const auto job = take_from_user(thread->native_handle());
    __real__ZNSt6thread4joinEv(thread);
    if (job != nullptr) { job->deliver(); }
}

void __real__ZNSt6thread6detachEv(std::thread* thread);
void __wrap__ZNSt6thread6detachEv(std::thread* thread) {
    const auto job = take_from_user(thread->native_handle());
    __real__ZNSt6thread6detachEv(thread);
}

}  // extern "C"
