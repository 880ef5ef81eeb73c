// SPDX-License-Identifier: Apache-2.0
// A program that is sampled goes on as it would: forks, execs, threads, signals, exceptions.
#include <coroscope/instrumentation/cpu_profiler.hpp>

#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "instrumentation/cpu_burning.hpp"
#include "instrumentation/sampled_loop.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <ctime>
#include <stdexcept>
#include <thread>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

using namespace coroscope;
using namespace coroscope::instrumentation;
using namespace std::chrono_literals;

namespace {

[[nodiscard]] int status_of(pid_t child) {
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    return status;
}

}  // namespace

TEST_CASE("a child of a fork begins unsampled, and may be sampled") {
    if (!samples_cpu) { return; }
    cpu_profiler profiler;
    cpu_profiler::sample_this_thread();
    profiler.start();
    const auto child = ::fork();
    if (child == 0) {
        const bool is_unsampled = !profiler.is_started() && profiler.stop().samples.empty();
        ::_exit(is_unsampled && is_sampled_when_it_computes(profiler) ? 0 : 1);
    }
    CHECK(status_of(child) == 0);
    static_cast<void>(profiler.stop());
    CHECK(is_sampled_when_it_computes(profiler));
}

TEST_CASE("a program that takes the place of a sampled one is not signalled") {
    if (!samples_cpu) { return; }
    constexpr int exit_code = 7;
    for (int i = 0; i < 5; ++i) {
        const auto child = ::fork();
        if (child == 0) {
            cpu_profiler_options options;
            options.frequency = 10'000;
            cpu_profiler profiler(options);
            cpu_profiler::sample_this_thread();
            profiler.start();
            burn_cpu(5ms);
            // It computes, and knows no handler for the signal.
            ::execl("/bin/sh", "sh", "-c",
                    "i=0; while [ $i -lt 50000 ]; do i=$((i + 1)); done; exit 7", nullptr);
            ::_exit(1);
        }
        const auto status = status_of(child);
        REQUIRE(WIFEXITED(status));
        CHECK(WEXITSTATUS(status) == exit_code);
    }
}

TEST_CASE("threads that end while they are sampled leave their samples") {
    if (!samples_cpu) { return; }
    cpu_profiler profiler;
    profiler.start();
    for (int i = 0; i < 10; ++i) {
        std::thread([] {
            cpu_profiler::sample_this_thread();
            burn_cpu(30ms);
        }).join();
    }
    const auto seen = profiler.stop();
    // The kernel looks at timers when its clock ticks, and threads of a busy machine may often run
    // between two ticks: how much of so short a life is seen, is not known.
    CHECK(report::total(seen, 1) > 0);
    CHECK(report::total(seen, 1) <= 400'000'000);
    CHECK(seen.dropped == 0);
}

TEST_CASE("threads come and go while profiles begin and end", "[threads]") {
    cpu_profiler_options options;
    options.frequency = 10'000;
    cpu_profiler profiler(options);
    std::atomic<bool> is_over{false};
    std::vector<std::thread> makers;
    for (int i = 0; i < 3; ++i) {
        makers.emplace_back([&is_over] {
            while (!is_over.load()) {
                std::thread([] {
                    cpu_profiler::sample_this_thread();
                    burn_cpu(200us);
                }).join();
            }
        });
    }
    for (int i = 0; i < 50; ++i) {
        profiler.start();
        burn_cpu(500us);
        const auto seen = profiler.stop();
        CHECK(report::total(seen, 1) == report::total(seen, 0) * seen.period);
    }
    is_over.store(true);
    for (auto& each : makers) {
        each.join();
    }
    if (!samples_cpu) { return; }
    cpu_profiler::sample_this_thread();
    CHECK(is_sampled_when_it_computes(profiler));
}

namespace {

std::atomic<int> own_signals{0};

extern "C" void count_own_signal(int) {
    own_signals.fetch_add(1);
}

/// All signals but the profiler's that come with this number are counted.
int signal_of(const cpu_profiler_options& options) {
    const int number = SIGRTMIN + options.signal_offset;
    ::signal(number, &count_own_signal);
    own_signals.store(0);
    return number;
}

/// A timer of the program's own, with the profiler's signal.
class own_timer {
public:
    own_timer(int number, void* value) {
        sigevent event{};
        event.sigev_notify = SIGEV_SIGNAL;
        event.sigev_signo = number;
        event.sigev_value.sival_ptr = value;
        REQUIRE(::timer_create(CLOCK_MONOTONIC, &event, &id_) == 0);
        const itimerspec at_once{{0, 0}, {0, 1}};
        REQUIRE(::timer_settime(id_, 0, &at_once, nullptr) == 0);
    }
    own_timer(const own_timer&) = delete;
    own_timer& operator=(const own_timer&) = delete;
    ~own_timer() { ::timer_delete(id_); }

private:
    timer_t id_{};
};

}  // namespace

TEST_CASE("signals that are none of the profiler's go to the handler that was there before") {
    if (!samples_cpu) { return; }
    cpu_profiler_options options;
    options.signal_offset = 12;
    const auto number = signal_of(options);
    sampled_loop s(options);
    s.profiler.start();
    for (int i = 0; i < 1000; ++i) {
        ::raise(number);
    }
    CHECK(own_signals.load() == 1000);
    static_cast<void>(s.profiler.stop());
}

TEST_CASE("a storm of the profiler's signal from elsewhere reaches its handler, and is no sample") {
    if (!samples_cpu) { return; }
    constexpr int storm = 20'000;
    cpu_profiler_options options;
    options.signal_offset = 13;
    options.frequency = 1000;
    const auto number = signal_of(options);
    cpu_profiler profiler(options);
    profiler.start();
    const auto before = cpu_time();
    std::chrono::nanoseconds used{0};
    std::atomic<bool> is_over{false};
    std::atomic<bool> is_there{false};
    std::thread target([&] {
        cpu_profiler::sample_this_thread();
        is_there.store(true);
        while (!is_over.load()) {
            burn_cpu(10us);
        }
        used = cpu_time();
    });
    while (!is_there.load()) {
        std::this_thread::yield();
    }
    for (int i = 0; i < storm; ++i) {
        ::sigval value{};
        value.sival_ptr = &own_signals;
        while (::pthread_sigqueue(target.native_handle(), number, value) == EAGAIN) {
            std::this_thread::yield();  // as many wait as may
        }
    }
    {
        const own_timer timer(number, &own_signals);
        while (own_signals.load() <= storm) {
            std::this_thread::yield();
        }
    }
    is_over.store(true);
    target.join();
    used += cpu_time() - before;
    const auto seen = profiler.stop();
    CHECK(own_signals.load() == storm + 1);
    // Samples are periods that one of the two threads has used up, but for what they had used when
    // it began. The storm would be 20 s.
    CHECK(report::total(seen, 1) <= used.count() + 2 * seen.period);
    for (const auto& sample : seen.samples) {
        CHECK(sample.task.empty());
    }
}

TEST_CASE("a program that throws is sampled at a high frequency without harm") {
    if (!samples_cpu) { return; }
    cpu_profiler_options options;
    options.frequency = 10'000;
    sampled_loop s(options);
    const auto throws = [](std::chrono::nanoseconds cpu) -> coro<> {
        const auto end = cpu_time() + cpu;
        int caught = 0;
        while (cpu_time() < end) {
            try {
                throw std::runtime_error("storm");
            } catch (const std::runtime_error&) { ++caught; }
            if (caught % 64 == 0) { co_await yield_now(); }
        }
    };
    const auto seen = s.profile(s.l.create_task(throws(300ms), "throws"));
    const auto counted = report::total(seen, 0) + static_cast<std::int64_t>(seen.dropped);
    CHECK(counted > 0);
    for (const auto& sample : seen.samples) {
        CHECK((sample.task.empty() || sample.task == "throws"));
    }
}
