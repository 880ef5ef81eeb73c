// SPDX-License-Identifier: Apache-2.0
#include "task_fibers.hpp"

#if defined(COROSCOPE_THREAD_SANITIZER)

#include <coroscope/runtime/detail/task_core.hpp>

#include <algorithm>
#include <cstddef>
#include <deque>
#include <string>
#include <utility>

namespace coroscope::detail {
namespace {

// With g++ 12 a fiber takes 0.8 MB and 2 ms to make, and each switch looks at all that there are;
// with clang, and later versions of g++, 5 KB and 15 us.
#if !defined(__clang__) && __GNUC__ < 13
constexpr std::size_t most_of_thread = 32;
constexpr std::size_t most_of_process = 256;
#else
constexpr std::size_t most_of_thread = 256;
constexpr std::size_t most_of_process = 1024;
#endif

// Relaxed: it must not order the threads that it counts for.
std::atomic<std::size_t> fibers_alive{0};

void* make_fiber() {
    if (fibers_alive.fetch_add(1, std::memory_order_relaxed) >= most_of_process) {
        fibers_alive.fetch_sub(1, std::memory_order_relaxed);
        return nullptr;
    }
    return __tsan_create_fiber(0);
}

void destroy_fiber(void* fiber) noexcept {
    __tsan_destroy_fiber(fiber);
    fibers_alive.fetch_sub(1, std::memory_order_relaxed);
}

/// What a thread keeps of ended tasks. Never another's: the sanitizer takes for ordered what one
/// fiber does, and two threads are not.
struct spare_fibers {
    std::size_t made = 0;
    std::deque<void*> spare;  ///< in the order in which their tasks ended
    spare_fibers() = default;
    spare_fibers(const spare_fibers&) = delete;
    spare_fibers& operator=(const spare_fibers&) = delete;
    ~spare_fibers();
};

thread_local spare_fibers of_thread;
constinit thread_local bool thread_ends = false;  // loops with static storage are closed later

spare_fibers::~spare_fibers() {
    thread_ends = true;
    std::for_each(spare.begin(), spare.end(), destroy_fiber);
}

}  // namespace

void task_fibers::add(const task_core& task) {
    if (thread_ends) { return; }
    shown_task shown{nullptr, true};
    if (of_thread.made < most_of_thread) { shown.fiber = make_fiber(); }
    if (shown.fiber != nullptr) {
        ++of_thread.made;
    } else if (!of_thread.spare.empty()) {
        // Of those that may be used again, the one whose name is least likely to be asked for.
        shown = {of_thread.spare.front(), false};
        of_thread.spare.pop_front();
    } else {
        return;
    }
    name(shown, task);
    shown_.emplace(&task, shown);
}

void task_fibers::rename(const task_core& task) {
    const auto found = shown_.find(&task);
    if (found != shown_.end()) { name(found->second, task); }
}

void task_fibers::remove(const task_core& task) noexcept {
    const auto found = shown_.find(&task);
    if (found == shown_.end()) { return; }
    auto* const fiber = found->second.fiber;
    shown_.erase(found);
    if (thread_ends) {
        destroy_fiber(fiber);
    } else {
        of_thread.spare.push_back(fiber);
    }
}

void* task_fibers::fiber_of(const task_core& task) const noexcept {
    const auto found = shown_.find(&task);
    return found != shown_.end() ? found->second.fiber : nullptr;
}

// What the sanitizer tells of an ended task it tells under the fiber's last name, and it keeps
// so many letters.
void task_fibers::name(const shown_task& shown, const task_core& task) {
    constexpr std::size_t kept = 63;
    auto text = "task " + std::to_string(task.id());
    const auto rest =
        " of loop " + std::to_string(task.loop->id) + (shown.is_first ? "" : ", or an ended one");
    if (const auto given = task.given_name(); !given.empty()) {
        const auto room = kept - text.size() - rest.size() - std::string_view(" ()").size();
        text.append(" (").append(given.substr(0, room)).append(")");
    }
    __tsan_set_fiber_name(shown.fiber, (text + rest).c_str());
}

}  // namespace coroscope::detail

#endif
