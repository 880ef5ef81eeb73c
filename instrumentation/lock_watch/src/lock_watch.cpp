// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/lock_watch.hpp>

#include <coroscope/runtime/detail/task_core.hpp>
#include <coroscope/runtime/handle.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <dlfcn.h>
#include <pthread.h>

namespace {

using coroscope::detail::loop_core;
using coroscope::detail::running_loop;

constinit std::atomic<bool> locks_are_watched{false};

/// One uninterrupted stretch of a loop's thread: a task's step, or a callback.
struct stretch {
    const loop_core* loop = nullptr;  ///< null: no step
    std::uint64_t who = 0;            ///< the task's id, or the handle's
    std::uint64_t step = 0;  ///< the task's sequence, which no other step has; 0: a callback
    friend bool operator==(const stretch&, const stretch&) = default;
};

[[nodiscard]] stretch current_stretch() noexcept {
    const auto* core = running_loop;
    if (core == nullptr) { return {}; }
    if (const auto* task = core->current.get(); task != nullptr) {
        return {core, task->id(), task->record().sequence.load(std::memory_order_relaxed)};
    }
    return core->callback != nullptr ? stretch{core, core->callback.get()->id, 0} : stretch{};
}

struct held_lock {
    const pthread_mutex_t* lock = nullptr;
    stretch taken_in;
    const void* taken_by = nullptr;  ///< an address in the function that called
};

/// What this thread holds, and has taken in steps of a loop.
struct held_locks {
    std::array<held_lock, 16> all{};
    std::size_t count = 0;

    [[nodiscard]] held_lock* find(const pthread_mutex_t* lock) noexcept {
        auto* const end = all.data() + count;
        auto* const found =
            std::find_if(all.data(), end, [lock](const auto& each) { return each.lock == lock; });
        return found == end ? nullptr : found;
    }
    void add(const held_lock& taken) noexcept {
        if (count < all.size()) { all[count++] = taken; }
    }
    void remove(held_lock& gone) noexcept { gone = all[--count]; }
};

constinit thread_local held_locks held;

/// Observers lock, too.
constinit thread_local bool is_telling = false;

void tell(const char* what, const held_lock& lock) noexcept {
    if (std::exchange(is_telling, true)) { return; }
    coroscope::remark made;
    made.kind = coroscope::remark_kind::lock_held;
    made.what = what;
    made.code = lock.taken_by;
    coroscope::detail::make_remark(made);
    is_telling = false;
}

[[nodiscard]] bool is_watched() noexcept {
    return locks_are_watched.load(std::memory_order_relaxed)
           && (running_loop != nullptr || held.count > 0);
}

/// About to lock: whoever has it from an earlier step would wait for itself.
void note_attempt(const pthread_mutex_t* lock) noexcept {
    if (!is_watched()) { return; }
    const auto* before = held.find(lock);
    if (before == nullptr || running_loop == nullptr) { return; }
    if (before->taken_in != current_stretch()) { tell("pthread_mutex_lock", *before); }
}

void note_taken(const pthread_mutex_t* lock, const void* by) noexcept {
    if (!is_watched()) { return; }
    const auto now = current_stretch();
    if (now.loop != nullptr) { held.add({lock, now, by}); }
}

void note_given_back(const pthread_mutex_t* lock) noexcept {
    if (!is_watched()) { return; }
    auto* const before = held.find(lock);
    if (before == nullptr) { return; }
    const auto was = *before;
    held.remove(*before);
    if (running_loop == was.taken_in.loop && was.taken_in != current_stretch()) {
        tell("pthread_mutex_unlock", was);
    }
}

using mutex_function = int (*)(pthread_mutex_t*);

/// The C library's function, looked up once.
[[nodiscard]] mutex_function next_one(std::atomic<mutex_function>& known,
                                      const char* name) noexcept {
    auto function = known.load(std::memory_order_relaxed);
    if (function == nullptr) {
        function = reinterpret_cast<mutex_function>(dlsym(RTLD_NEXT, name));
        known.store(function, std::memory_order_relaxed);
    }
    return function;
}

}  // namespace

// The names of the C library, which these stand in front of.
extern "C" {

int pthread_mutex_lock(pthread_mutex_t* lock) noexcept {
    static constinit std::atomic<mutex_function> next{nullptr};
    note_attempt(lock);
    const int result = next_one(next, "pthread_mutex_lock")(lock);
    if (result == 0) { note_taken(lock, __builtin_return_address(0)); }
    return result;
}

int pthread_mutex_trylock(pthread_mutex_t* lock) noexcept {
    static constinit std::atomic<mutex_function> next{nullptr};
    const int result = next_one(next, "pthread_mutex_trylock")(lock);
    if (result == 0) { note_taken(lock, __builtin_return_address(0)); }
    return result;
}

int pthread_mutex_unlock(pthread_mutex_t* lock) noexcept {
    static constinit std::atomic<mutex_function> next{nullptr};
    const int result = next_one(next, "pthread_mutex_unlock")(lock);
    if (result == 0) { note_given_back(lock); }
    return result;
}
}

namespace coroscope::instrumentation {

void watch_locks() noexcept {
    locks_are_watched.store(true, std::memory_order_relaxed);
}

}  // namespace coroscope::instrumentation
