// SPDX-License-Identifier: Apache-2.0
// What orders threads by way of the C library: mutexes, conditions, semaphores, barriers, and what
// is done once. std::mutex and its like call these from their inline code, where the linker puts
// ours in their place (--wrap, see coroscope_detect_races). Locks of coroscope itself and of Asio
// are left out: that two jobs passed through one executor keeps nothing apart.
#include "seen_access.hpp"
#include "seen_order.hpp"

#include <cerrno>
#include <climits>
#include <condition_variable>
#include <cstdint>
#include <ctime>
#include <mutex>

#include <pthread.h>
#include <semaphore.h>

namespace {

using coroscope::instrumentation::detail::annotation_listener;
using coroscope::instrumentation::detail::is_for_user;
using coroscope::instrumentation::detail::see_order;
using coroscope::instrumentation::detail::this_stretch;
using coroscope::instrumentation::detail::thread_lock;
using coroscope::instrumentation::detail::thread_order;

[[nodiscard, gnu::always_inline]] inline bool is_told() noexcept {
    return this_stretch.number != 0 && annotation_listener != nullptr;
}
/// Whose lock it is takes a look into the debug information, which is not worth it for a thread
/// alone.
[[gnu::always_inline]] inline void see_lock(const volatile void* mutex, thread_lock how,
                                            const void* caller) noexcept {
    if (!is_told()) [[likely]] { return; }
    const bool is_taken = how != thread_lock::give_back;
    if (is_taken && annotation_listener->has_threads() && !is_for_user(caller)) { return; }
    annotation_listener->on_thread_lock(const_cast<const void*>(mutex), how, {});  // NOLINT
}

[[nodiscard]] bool owns(int error) noexcept {
    return error == 0 || error == EOWNERDEAD;
}

/// A wait gives the mutex back and takes it again, and comes after who signalled.
template <class Wait>
[[gnu::always_inline]] inline auto see_wait(const void* condition, const void* mutex,
                                            const void* caller, Wait wait) {
    if (!is_told()) [[likely]] { return wait(); }
    see_lock(mutex, thread_lock::give_back, caller);
    auto result = wait();
    see_lock(mutex, thread_lock::take, caller);
    see_order(condition, thread_order::acquire);
    return result;
}

}  // namespace

// NOLINTBEGIN(bugprone-macro-parentheses): parameters and arguments
#define COROSCOPE_LOCK_AS(how, name, parameters, arguments)         \
    int __real_##name parameters;                                   \
    int __wrap_##name parameters {                                  \
        const int error = __real_##name arguments;                  \
        if (owns(error)) { see_lock(lock, how, COROSCOPE_CALLER); } \
        return error;                                               \
    }
#define COROSCOPE_LOCK(name, parameters, arguments) \
    COROSCOPE_LOCK_AS(thread_lock::take, name, parameters, arguments)
#define COROSCOPE_SHARED_LOCK(name, parameters, arguments) \
    COROSCOPE_LOCK_AS(thread_lock::take_shared, name, parameters, arguments)
#define COROSCOPE_UNLOCK(name, type)                              \
    int __real_##name(type* lock);                                \
    int __wrap_##name(type* lock) {                               \
        see_lock(lock, thread_lock::give_back, COROSCOPE_CALLER); \
        return __real_##name(lock);                               \
    }
#define COROSCOPE_RELEASE(result, name, type)     \
    result __real_##name(type* object);           \
    result __wrap_##name(type* object) {          \
        see_order(object, thread_order::release); \
        return __real_##name(object);             \
    }
#define COROSCOPE_ACQUIRE(name, parameters, arguments)                \
    int __real_##name parameters;                                     \
    int __wrap_##name parameters {                                    \
        const int error = __real_##name arguments;                    \
        if (error == 0) { see_order(object, thread_order::acquire); } \
        return error;                                                 \
    }

extern "C" {

COROSCOPE_LOCK(pthread_mutex_lock, (pthread_mutex_t * lock), (lock))
COROSCOPE_LOCK(pthread_mutex_trylock, (pthread_mutex_t * lock), (lock))
COROSCOPE_LOCK(pthread_mutex_timedlock, (pthread_mutex_t * lock, const timespec* until),
               (lock, until))
COROSCOPE_LOCK(pthread_mutex_clocklock,
               (pthread_mutex_t * lock, clockid_t clock, const timespec* until),
               (lock, clock, until))
COROSCOPE_UNLOCK(pthread_mutex_unlock, pthread_mutex_t)

COROSCOPE_SHARED_LOCK(pthread_rwlock_rdlock, (pthread_rwlock_t * lock), (lock))
COROSCOPE_LOCK(pthread_rwlock_wrlock, (pthread_rwlock_t * lock), (lock))
COROSCOPE_SHARED_LOCK(pthread_rwlock_tryrdlock, (pthread_rwlock_t * lock), (lock))
COROSCOPE_LOCK(pthread_rwlock_trywrlock, (pthread_rwlock_t * lock), (lock))
COROSCOPE_SHARED_LOCK(pthread_rwlock_timedrdlock, (pthread_rwlock_t * lock, const timespec* until),
                      (lock, until))
COROSCOPE_LOCK(pthread_rwlock_timedwrlock, (pthread_rwlock_t * lock, const timespec* until),
               (lock, until))
COROSCOPE_SHARED_LOCK(pthread_rwlock_clockrdlock,
                      (pthread_rwlock_t * lock, clockid_t clock, const timespec* until),
                      (lock, clock, until))
COROSCOPE_LOCK(pthread_rwlock_clockwrlock,
               (pthread_rwlock_t * lock, clockid_t clock, const timespec* until),
               (lock, clock, until))
COROSCOPE_UNLOCK(pthread_rwlock_unlock, pthread_rwlock_t)

COROSCOPE_LOCK(pthread_spin_lock, (pthread_spinlock_t * lock), (lock))
COROSCOPE_LOCK(pthread_spin_trylock, (pthread_spinlock_t * lock), (lock))
COROSCOPE_UNLOCK(pthread_spin_unlock, pthread_spinlock_t)

int __real_pthread_cond_wait(pthread_cond_t* condition, pthread_mutex_t* mutex);
int __wrap_pthread_cond_wait(pthread_cond_t* condition, pthread_mutex_t* mutex) {
    return see_wait(condition, mutex, COROSCOPE_CALLER,
                    [=] { return __real_pthread_cond_wait(condition, mutex); });
}
int __real_pthread_cond_timedwait(pthread_cond_t* condition, pthread_mutex_t* mutex,
                                  const timespec* until);
int __wrap_pthread_cond_timedwait(pthread_cond_t* condition, pthread_mutex_t* mutex,
                                  const timespec* until) {
    return see_wait(condition, mutex, COROSCOPE_CALLER,
                    [=] { return __real_pthread_cond_timedwait(condition, mutex, until); });
}
int __real_pthread_cond_clockwait(pthread_cond_t* condition, pthread_mutex_t* mutex,
                                  clockid_t clock, const timespec* until);
int __wrap_pthread_cond_clockwait(pthread_cond_t* condition, pthread_mutex_t* mutex,
                                  clockid_t clock, const timespec* until) {
    return see_wait(condition, mutex, COROSCOPE_CALLER,
                    [=] { return __real_pthread_cond_clockwait(condition, mutex, clock, until); });
}
COROSCOPE_RELEASE(int, pthread_cond_signal, pthread_cond_t)
COROSCOPE_RELEASE(int, pthread_cond_broadcast, pthread_cond_t)

// std::condition_variable, whose functions are the shared library's. A member function's object is
// its first argument.
using condition_variable = std::condition_variable;
void __real__ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE(
    condition_variable* condition, std::unique_lock<std::mutex>* lock);
void __wrap__ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE(
    condition_variable* condition, std::unique_lock<std::mutex>* lock) {
    static_cast<void>(see_wait(condition, lock->mutex(), COROSCOPE_CALLER, [=] {
        __real__ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE(condition, lock);
        return 0;
    }));
}
COROSCOPE_RELEASE(void, _ZNSt18condition_variable10notify_oneEv, condition_variable)
COROSCOPE_RELEASE(void, _ZNSt18condition_variable10notify_allEv, condition_variable)

COROSCOPE_RELEASE(int, sem_post, sem_t)
COROSCOPE_ACQUIRE(sem_wait, (sem_t * object), (object))
COROSCOPE_ACQUIRE(sem_trywait, (sem_t * object), (object))
COROSCOPE_ACQUIRE(sem_timedwait, (sem_t * object, const timespec* until), (object, until))

int __real_pthread_barrier_wait(pthread_barrier_t* barrier);
int __wrap_pthread_barrier_wait(pthread_barrier_t* barrier) {
    see_order(barrier, thread_order::release);
    const int result = __real_pthread_barrier_wait(barrier);
    see_order(barrier, thread_order::acquire);
    return result;
}

// What is initialised once. Of a static variable in a function the compiler reads the guard as an
// atomic variable.
void __real___cxa_guard_release(std::uint64_t* guard);
void __wrap___cxa_guard_release(std::uint64_t* guard) {
    see_order(guard, thread_order::release);
    __real___cxa_guard_release(guard);
}
int __real___cxa_guard_acquire(std::uint64_t* guard);
int __wrap___cxa_guard_acquire(std::uint64_t* guard) {
    const int is_ours = __real___cxa_guard_acquire(guard);
    see_order(guard, thread_order::acquire);
    return is_ours;
}

// std::atomic_load and its like of a std::shared_ptr: a mutex of the shared library, one of a few,
// which the lock knows by number.
struct pointer_lock {
    unsigned char first;
    unsigned char second;
};
static char pointer_mutexes[UCHAR_MAX + 1];  // by their addresses
static void see_pointer_lock(const pointer_lock& lock, thread_order how) noexcept {
    see_order(&pointer_mutexes[lock.first], how);
    if (lock.second != lock.first) { see_order(&pointer_mutexes[lock.second], how); }
}
void __real__ZNSt10_Sp_lockerC1EPKv(pointer_lock* lock, const void* pointer);
void __wrap__ZNSt10_Sp_lockerC1EPKv(pointer_lock* lock, const void* pointer) {
    __real__ZNSt10_Sp_lockerC1EPKv(lock, pointer);
    see_pointer_lock(*lock, thread_order::acquire);
}
void __real__ZNSt10_Sp_lockerC1EPKvS1_(pointer_lock* lock, const void* one, const void* other);
void __wrap__ZNSt10_Sp_lockerC1EPKvS1_(pointer_lock* lock, const void* one, const void* other) {
    __real__ZNSt10_Sp_lockerC1EPKvS1_(lock, one, other);
    see_pointer_lock(*lock, thread_order::acquire);
}
void __real__ZNSt10_Sp_lockerD1Ev(pointer_lock* lock);
void __wrap__ZNSt10_Sp_lockerD1Ev(pointer_lock* lock) {
    see_pointer_lock(*lock, thread_order::release);
    __real__ZNSt10_Sp_lockerD1Ev(lock);
}

static thread_local void (*once_function)() = nullptr;
static thread_local pthread_once_t* once_control = nullptr;
static void call_once_function() {
    auto* const control = once_control;
    once_function();
    see_order(control, thread_order::release);
}
int __real_pthread_once(pthread_once_t* control, void (*function)());
int __wrap_pthread_once(pthread_once_t* control, void (*function)()) {
    auto* const outer_function = once_function;
    auto* const outer_control = once_control;
    once_function = function;
    once_control = control;
    const int error = __real_pthread_once(control, &call_once_function);
    once_function = outer_function;
    once_control = outer_control;
    see_order(control, thread_order::acquire);
    return error;
}

}  // extern "C"
// NOLINTEND(bugprone-macro-parentheses)
