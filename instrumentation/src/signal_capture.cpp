// SPDX-License-Identifier: Apache-2.0
#include "signal_capture.hpp"

#include "chained_signal.hpp"
#include "fork_safe_mutex.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <mutex>
#include <thread>

#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

namespace coroscope::instrumentation::detail {
namespace {

constexpr int signal_numbers = 65;

/// What the handler is asked for. Static, since a handler may run after whoever asked has gone.
struct capture_request {
    enum class phase : std::uint8_t { none, asked, copying, copied, unreadable };
    std::atomic<phase> now{phase::none};
    std::atomic<pid_t> thread{0};
    stack_copy* into = nullptr;
    address_range stack;
};

constinit capture_request the_request;
constinit fork_safe_mutex capture_lock;

std::array<struct sigaction, signal_numbers> earlier_handlers{};
std::array<std::atomic<bool>, signal_numbers> has_our_handler{};

void answer(const ucontext_t& context) noexcept {
    using phase = capture_request::phase;
    if (the_request.thread.load(std::memory_order_acquire) != ::gettid()) { return; }
    auto asked = phase::asked;
    if (!the_request.now.compare_exchange_strong(asked, phase::copying)) { return; }
    const bool copied = the_request.into->take(registers_in(context), the_request.stack);
    the_request.now.store(copied ? phase::copied : phase::unreadable);
}

extern "C" void coroscope_capture_handler(int number, siginfo_t* info, void* context) {
    const int error = errno;
    if (info->si_code == SI_QUEUE && info->si_value.sival_ptr == &the_request) {
        answer(*static_cast<const ucontext_t*>(context));
    } else {
        call_handler(earlier_handlers[static_cast<std::size_t>(number)], number, info, context);
    }
    errno = error;
}

[[nodiscard]] bool handler_is_ours(int number) noexcept {
    return has_handler(number, &coroscope_capture_handler);
}

[[nodiscard]] bool send(pid_t thread, int number) noexcept {
    siginfo_t info{};
    info.si_code = SI_QUEUE;
    info.si_pid = ::getpid();
    info.si_uid = ::getuid();
    info.si_value.sival_ptr = &the_request;
    return ::syscall(SYS_rt_tgsigqueueinfo, ::getpid(), thread, number, &info) == 0;
}

/// Takes the request back, unless the handler is at it: that ends soon.
[[nodiscard]] signal_answer give_up(signal_answer why) noexcept {
    using phase = capture_request::phase;
    auto asked = phase::asked;
    if (the_request.now.compare_exchange_strong(asked, phase::none)) { return why; }
    while (the_request.now.load() == phase::copying) {
        std::this_thread::yield();
    }
    return the_request.now.load() == phase::copied ? signal_answer::copied
                                                   : signal_answer::unreadable;
}

using instant = std::chrono::steady_clock::time_point;

[[nodiscard]] std::chrono::nanoseconds cpu_time(const thread_identity& thread) noexcept {
    timespec cpu{};
    ::clock_gettime(thread.cpu_clock, &cpu);
    return std::chrono::seconds(cpu.tv_sec) + std::chrono::nanoseconds(cpu.tv_nsec);
}

/// Waits until the thread has run for a moment. One that was just woken from a system call, and
/// waits for a processor, is still in there: a signal would change what the call returns.
[[nodiscard]] signal_answer await_running(const thread_identity& thread, instant until) {
    constexpr auto a_moment = std::chrono::microseconds(50);
    const auto before = cpu_time(thread);
    while (cpu_time(thread) - before < a_moment) {
        if (place_of(thread.id).is_blocked()) { return signal_answer::in_kernel; }
        if (std::chrono::steady_clock::now() >= until) { return signal_answer::missing; }
        std::this_thread::sleep_for(a_moment);
    }
    const auto where = place_of(thread.id).where;
    return where == thread_place::kind::running ? signal_answer::copied : signal_answer::in_kernel;
}

[[nodiscard]] signal_answer await_answer(pid_t thread, instant until) {
    using phase = capture_request::phase;
    for (;;) {
        const auto now = the_request.now.load();
        if (now == phase::copied) { return signal_answer::copied; }
        if (now == phase::unreadable) { return signal_answer::unreadable; }
        if (now == phase::asked && place_of(thread).is_blocked()) {
            return give_up(signal_answer::in_kernel);
        }
        if (std::chrono::steady_clock::now() >= until) { return give_up(signal_answer::missing); }
        std::this_thread::sleep_for(std::chrono::microseconds(20));
    }
}

}  // namespace

void install_capture_handler(int number) {
    if (!handlers_see_registers) { return; }
    const std::lock_guard lock(capture_lock);
    auto& is_there = has_our_handler.at(static_cast<std::size_t>(number));
    if (is_there.exchange(true)) { return; }
    chain_handler(number, &coroscope_capture_handler,
                  earlier_handlers[static_cast<std::size_t>(number)]);
}

signal_answer capture_by_signal(const thread_identity& thread, int number,
                                std::chrono::nanoseconds patience, stack_copy& into) {
    if (!handlers_see_registers) { return signal_answer::unsupported; }
    const std::lock_guard lock(capture_lock);
    if (!handler_is_ours(number)) { return signal_answer::replaced; }
    const auto state = state_of_signal(thread.id, number);
    if (state.is_blocked || state.is_pending) { return signal_answer::blocked; }
    const auto until = std::chrono::steady_clock::now() + patience;
    const auto runs = await_running(thread, until);
    if (runs != signal_answer::copied) { return runs; }
    the_request.into = &into;
    the_request.stack = thread.stack;
    the_request.thread.store(thread.id, std::memory_order_release);
    the_request.now.store(capture_request::phase::asked);
    if (!send(thread.id, number)) { return give_up(signal_answer::gone); }
    return await_answer(thread.id, until);
}

}  // namespace coroscope::instrumentation::detail
