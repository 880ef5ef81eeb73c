// SPDX-License-Identifier: Apache-2.0
#include "signal_capture.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <mutex>
#include <thread>

#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

namespace coroscope::instrumentation::detail {
namespace {

#if !defined(__x86_64__) || defined(__SANITIZE_THREAD__)
constexpr bool captures_by_signal = false;
#elif defined(__has_feature)
constexpr bool captures_by_signal = !__has_feature(thread_sanitizer);
#else
constexpr bool captures_by_signal = true;
#endif

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
std::mutex capture_lock;

std::array<struct sigaction, signal_numbers> earlier_handlers{};
std::array<std::atomic<bool>, signal_numbers> has_our_handler{};

[[nodiscard]] register_values registers_in([[maybe_unused]] const ucontext_t& context) noexcept {
    register_values made;
#if defined(__x86_64__)
    constexpr std::array order{REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI,
                               REG_RBP, REG_RSP, REG_R8,  REG_R9,  REG_R10, REG_R11,
                               REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP};
    for (std::size_t i = 0; i < order.size(); ++i) {
        made.values[i] = static_cast<std::uint64_t>(context.uc_mcontext.gregs[order[i]]);
    }
    made.all_known = true;
#endif
    return made;
}

void answer(const ucontext_t& context) noexcept {
    using phase = capture_request::phase;
    if (the_request.thread.load(std::memory_order_acquire) != ::gettid()) { return; }
    auto asked = phase::asked;
    if (!the_request.now.compare_exchange_strong(asked, phase::copying)) { return; }
    const bool copied = the_request.into->take(registers_in(context), the_request.stack);
    the_request.now.store(copied ? phase::copied : phase::unreadable);
}

/// Passes a signal on that is none of ours.
void call_earlier(int number, siginfo_t* info, void* context) noexcept {
    const auto& earlier = earlier_handlers[static_cast<std::size_t>(number)];
    if ((earlier.sa_flags & SA_SIGINFO) != 0) {
        earlier.sa_sigaction(number, info, context);
    } else if (earlier.sa_handler == SIG_DFL) {
        ::signal(number, SIG_DFL);
        ::raise(number);  // delivered when this handler returns
    } else if (earlier.sa_handler != SIG_IGN) {
        earlier.sa_handler(number);
    }
}

extern "C" void coroscope_capture_handler(int number, siginfo_t* info, void* context) {
    const int error = errno;
    if (info->si_code == SI_QUEUE && info->si_value.sival_ptr == &the_request) {
        answer(*static_cast<const ucontext_t*>(context));
    } else {
        call_earlier(number, info, context);
    }
    errno = error;
}

[[nodiscard]] bool handler_is_ours(int number) noexcept {
    struct sigaction now {};
    return ::sigaction(number, nullptr, &now) == 0 && (now.sa_flags & SA_SIGINFO) != 0
           && now.sa_sigaction == &coroscope_capture_handler;
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

[[nodiscard]] signal_answer await_answer(pid_t thread, std::chrono::nanoseconds patience) {
    using phase = capture_request::phase;
    const auto until = std::chrono::steady_clock::now() + patience;
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
    if (!captures_by_signal) { return; }
    const std::lock_guard lock(capture_lock);
    auto& is_there = has_our_handler.at(static_cast<std::size_t>(number));
    if (is_there.exchange(true)) { return; }
    ::sigaction(number, nullptr, &earlier_handlers[static_cast<std::size_t>(number)]);
    struct sigaction ours {};
    ours.sa_sigaction = &coroscope_capture_handler;
    // The alternate stack, where there is one, since a fiber's may be full.
    ours.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
    ::sigfillset(&ours.sa_mask);
    ::sigaction(number, &ours, nullptr);
}

signal_answer capture_by_signal(const thread_identity& thread, int number,
                                std::chrono::nanoseconds patience, stack_copy& into) {
    if (!captures_by_signal) { return signal_answer::unsupported; }
    const std::lock_guard lock(capture_lock);
    if (!handler_is_ours(number)) { return signal_answer::replaced; }
    const auto state = state_of_signal(thread.id, number);
    if (state.is_blocked || state.is_pending) { return signal_answer::blocked; }
    the_request.into = &into;
    the_request.stack = thread.stack;
    the_request.thread.store(thread.id, std::memory_order_release);
    the_request.now.store(capture_request::phase::asked);
    if (!send(thread.id, number)) { return give_up(signal_answer::gone); }
    return await_answer(thread.id, patience);
}

}  // namespace coroscope::instrumentation::detail
