// SPDX-License-Identifier: Apache-2.0
#include "thread_roster.hpp"

#include "chained_signal.hpp"

#include <coroscope/instrumentation/cpu_profiler.hpp>

#include <coroscope/runtime/detail/loop_core.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <mutex>
#include <stdexcept>
#include <thread>

#include <pthread.h>
#include <ucontext.h>
#include <unistd.h>

namespace coroscope::instrumentation::detail {
namespace {

/// A thread on the list. In static memory, since a signal may arrive at any later time.
struct enrolled_thread {
    std::atomic<pid_t> id{0};                    ///< 0: the place is free
    std::atomic<thread_samples*> into{nullptr};  ///< null: it is not sampled now
    std::atomic<bool> in_handler{false};
    // The rest belongs to the list's lock; a handler reads it while `into` is set.
    thread_identity identity;
    coroscope::detail::loop_core* const* running_loop = nullptr;
    std::shared_ptr<thread_samples> samples;
    timer_t timer{};
};

constexpr std::size_t most_threads = 256;
constexpr int signal_numbers = 65;

struct roster {
    std::mutex lock;
    std::array<enrolled_thread, most_threads> threads;
    sample_collector* collector = nullptr;
    sampling_settings settings;
    bool is_full = false;
};

constinit roster the_roster{};
std::array<struct sigaction, signal_numbers> handlers_before{};

void take_sample(enrolled_thread& thread, std::int64_t weight, const ucontext_t& context) noexcept {
    auto* const into = thread.into.load();
    if (into == nullptr) { return; }
    auto* const sample = into->ring.free_sample(weight);
    if (sample == nullptr) { return; }
    sample->task.id = 0;
    const auto* const running = *thread.running_loop;
    if (running != nullptr) { coroscope::detail::read_running_task(*running, sample->task); }
    // Without a stack it is a sample all the same: that of the instruction.
    static_cast<void>(sample->stack.take(registers_in(context), thread.identity.stack));
    into->ring.push();
}

/// The thread that a signal is about, if it is one of ours.
[[nodiscard]] enrolled_thread* thread_of(const siginfo_t& info) noexcept {
    if (info.si_code != SI_TIMER) { return nullptr; }
    const auto first = reinterpret_cast<std::uintptr_t>(the_roster.threads.data());
    const auto offset = reinterpret_cast<std::uintptr_t>(info.si_value.sival_ptr) - first;
    const bool is_ours =
        offset < sizeof the_roster.threads && offset % sizeof(enrolled_thread) == 0;
    return is_ours ? &the_roster.threads[offset / sizeof(enrolled_thread)] : nullptr;
}

extern "C" void coroscope_sample_handler(int number, siginfo_t* info, void* context) {
    const int error = errno;
    auto* const thread = thread_of(*info);
    if (thread == nullptr) {
        call_handler(handlers_before[static_cast<std::size_t>(number)], number, info, context);
    } else if (thread->id.load() == ::gettid()) {
        thread->in_handler.store(true);
        // Periods that ended while the signal was on its way count too.
        take_sample(*thread, 1 + std::max(info->si_overrun, 0),
                    *static_cast<const ucontext_t*>(context));
        thread->in_handler.store(false);
    }
    errno = error;
}

void install_handler(int number) {
    static std::array<bool, signal_numbers> is_installed{};  // locked
    auto& done = is_installed.at(static_cast<std::size_t>(number));
    if (!done) {
        chain_handler(number, &coroscope_sample_handler,
                      handlers_before[static_cast<std::size_t>(number)]);
    }
    done = true;
    if (!has_handler(number, &coroscope_sample_handler)) {
        throw std::logic_error("the program has replaced the handler of signal "
                               + std::to_string(number) + ", which a cpu_profiler needs; choose "
                               "another one with cpu_profiler_options::signal_offset");
    }
}

// --- With the list locked

[[nodiscard]] std::string trouble_with(const enrolled_thread& thread, const std::string& what) {
    return "thread " + std::to_string(thread.id.load()) + " is not sampled: " + what;
}

void begin(enrolled_thread& thread) {
    auto& all = the_roster;
    const auto number = all.settings.signal_number;
    if (state_of_signal(thread.id, number).is_blocked) {
        all.collector->note(
            trouble_with(thread, "it holds signal " + std::to_string(number)
                                     + " back; unblock it, or choose another one with "
                                       "cpu_profiler_options::signal_offset"));
    }
    auto samples = std::make_shared<thread_samples>(all.settings);
    sigevent event{};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = number;
    event.sigev_value.sival_ptr = &thread;
    event._sigev_un._tid = thread.id;  // NOLINT: the C library has no name for it yet
    if (::timer_create(thread.identity.cpu_clock, &event, &thread.timer) != 0) {
        all.collector->note(trouble_with(thread, std::strerror(errno)));
        return;
    }
    all.collector->add_thread(samples);
    thread.samples = std::move(samples);
    thread.into.store(thread.samples.get());
    itimerspec every{};
    every.it_interval.tv_sec = all.settings.period.count() / 1'000'000'000;
    every.it_interval.tv_nsec = all.settings.period.count() % 1'000'000'000;
    every.it_value = every.it_interval;
    ::timer_settime(thread.timer, 0, &every, nullptr);
}

void end(enrolled_thread& thread) noexcept {
    if (thread.samples == nullptr) { return; }
    ::timer_delete(thread.timer);
    thread.into.store(nullptr);
    while (thread.in_handler.load()) {
        std::this_thread::yield();
    }
    thread.samples->has_ended.store(true);
    thread.samples.reset();
}

// --- Being on the list

/// The calling thread's place; leaves it when the thread ends.
struct place_on_roster {
    enrolled_thread* thread = nullptr;

    place_on_roster() = default;
    place_on_roster(const place_on_roster&) = delete;
    place_on_roster& operator=(const place_on_roster&) = delete;
    ~place_on_roster() {
        if (thread == nullptr) { return; }
        const std::lock_guard lock(the_roster.lock);
        end(*thread);
        thread->id.store(0);
    }
};

thread_local place_on_roster own_place;

// A child of a fork has neither the timers nor the other threads.

void before_fork() {
    the_roster.lock.lock();
}

void in_parent() {
    the_roster.lock.unlock();
}

void in_child() {
    auto& all = the_roster;
    all.collector = nullptr;
    for (auto& thread : all.threads) {
        thread.into.store(nullptr);
        thread.in_handler.store(false);
        static_cast<void>(new std::shared_ptr<thread_samples>(std::move(thread.samples)));
        if (&thread != own_place.thread) { thread.id.store(0); }
    }
    if (auto* const own = own_place.thread; own != nullptr) {
        own->identity = thread_identity::of_this();
        own->id.store(own->identity.id);
    }
    all.lock.unlock();
}

void expect_forks() {
    static const int error = ::pthread_atfork(before_fork, in_parent, in_child);
    static_cast<void>(error);
}

}  // namespace

void enroll_this_thread() noexcept {
    if (own_place.thread != nullptr) { return; }
    expect_forks();
    auto& all = the_roster;
    const std::lock_guard lock(all.lock);
    const auto free = std::find_if(all.threads.begin(), all.threads.end(),
                                   [](const auto& thread) { return thread.id.load() == 0; });
    if (free == all.threads.end()) {
        all.is_full = true;
        return;
    }
    free->identity = thread_identity::of_this();
    free->running_loop = &coroscope::detail::running_loop;
    free->id.store(free->identity.id);
    own_place.thread = &*free;
    if (all.collector != nullptr) { begin(*free); }
}

void begin_sampling(const sampling_settings& settings, sample_collector& collector) {
    expect_forks();
    auto& all = the_roster;
    const std::lock_guard lock(all.lock);
    if (all.collector != nullptr) {
        throw already_sampled_error(
            "cpu_profiler::start: this process is being sampled already; stop "
            "the other cpu_profiler, or wait for its collect, first");
    }
    install_handler(settings.signal_number);
    all.settings = settings;
    all.collector = &collector;
    if (all.is_full) {
        collector.note("only the first " + std::to_string(most_threads) + " threads are sampled");
    }
    for (auto& thread : all.threads) {
        if (thread.id.load() != 0) { begin(thread); }
    }
}

void end_sampling(sample_collector& collector) noexcept {
    auto& all = the_roster;
    const std::lock_guard lock(all.lock);
    if (all.collector != &collector) { return; }
    for (auto& thread : all.threads) {
        end(thread);
    }
    all.collector = nullptr;
}

}  // namespace coroscope::instrumentation::detail
