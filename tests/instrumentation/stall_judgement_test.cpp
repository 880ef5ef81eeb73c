// SPDX-License-Identifier: Apache-2.0
// What the watchdog makes of the figures that the kernel gives it.

#include "report_budget.hpp"
#include "step_times.hpp"
#include "system_calls.hpp"
#include "watched_loop.hpp"

#include <coroscope/runtime/detail/tick_clock.hpp>

#include "support/catch.hpp"

#include <sys/syscall.h>

using namespace coroscope::instrumentation;
using namespace coroscope::instrumentation::detail;
using namespace std::chrono_literals;
using coroscope::loop_activity;
using coroscope::report::step_verdict;
using tick_clock = coroscope::detail::tick_clock;

namespace {

/// A step of 100 ms that was first looked at after 10.
step_times hundred_milliseconds() {
    step_times times;
    times.wall = 100ms;
    times.until_first_look = 10ms;
    return times;
}

loop_activity step_since(std::chrono::nanoseconds ago) {
    loop_activity activity;
    activity.in_step = true;
    activity.began = tick_clock::now() - tick_clock::to_ticks(ago);
    return activity;
}

}  // namespace

TEST_CASE("a step that used the processor for most of its time computed") {
    auto times = hundred_milliseconds();
    times.first.cpu = 10ms;
    times.now.cpu = 95ms;
    times.now.run_delay = 5ms;
    const auto cause = judge(times);
    CHECK(cause.verdict == step_verdict::computing);
    CHECK(cause.cpu == 95ms);
    CHECK(cause.not_scheduled == 5ms);
    CHECK(cause.blocked == 0ms);
}

TEST_CASE("what others used of the processor before the step is not the step's") {
    auto times = hundred_milliseconds();
    times.before.cpu = 1s;
    times.first.cpu = 1s + 40ms;  // 30 of them before the step
    times.now.cpu = times.first.cpu;
    times.now.voluntary_switches = 1;
    times.place.where = thread_place::kind::system_call;
    times.place.number = SYS_futex;
    const auto cause = judge(times);
    CHECK(cause.cpu == 10ms);
    CHECK(cause.blocked == 90ms);
    CHECK(cause.verdict == step_verdict::blocked);
    CHECK(cause.system_call == "futex");
}

TEST_CASE("a step that waited for a processor was not scheduled") {
    auto times = hundred_milliseconds();
    times.now.cpu = 30ms;
    times.now.run_delay = 70ms;
    CHECK(judge(times).verdict == step_verdict::not_scheduled);
}

TEST_CASE("waiting that the kernel has not booked yet counts, if the thread cannot be blocked") {
    auto times = hundred_milliseconds();
    times.now.cpu = 10ms;
    const auto cause = judge(times);
    CHECK(cause.verdict == step_verdict::not_scheduled);
    CHECK(cause.not_scheduled == 90ms);
    CHECK(cause.blocked == 0ms);
}

TEST_CASE("a step of a process that was stopped was not scheduled") {
    auto times = hundred_milliseconds();
    times.now.voluntary_switches = 1;  // being stopped is one
    times.overslept = 80ms;
    const auto cause = judge(times);
    CHECK(cause.verdict == step_verdict::not_scheduled);
    CHECK(cause.not_scheduled == 80ms);
    CHECK(cause.blocked == 20ms);
}

TEST_CASE("a step that waited for memory to be read has page faults") {
    auto times = hundred_milliseconds();
    times.now.voluntary_switches = 50;
    times.now.major_faults = 50;
    CHECK(judge(times).verdict == step_verdict::page_faults);
    times.now.major_faults = 0;
    times.place.where = thread_place::kind::fault;
    CHECK(judge(times).verdict == step_verdict::page_faults);
}

TEST_CASE("a step that was never seen in the call that it waits in is blocked all the same") {
    auto times = hundred_milliseconds();
    times.now.voluntary_switches = 50;
    times.place.where = thread_place::kind::running;
    const auto cause = judge(times);
    CHECK(cause.verdict == step_verdict::blocked);
    CHECK(cause.system_call.empty());
}

TEST_CASE("system calls have names, and targets where they are given a descriptor") {
    CHECK(name_of_system_call(SYS_read) == "read");
    CHECK(name_of_system_call(SYS_clock_nanosleep) == "clock_nanosleep");
    CHECK(name_of_system_call(99999) == "system call 99999");
    thread_place place;
    place.where = thread_place::kind::system_call;
    place.number = SYS_read;
    place.arguments[0] = 12345;
    CHECK(target_of_system_call(place) == "descriptor 12345");
    place.number = SYS_futex;
    CHECK(target_of_system_call(place).empty());
}

TEST_CASE("a step is news at 1, 2, 4 and 8 times the threshold") {
    watched_loop watched(1);
    const auto step = step_since(30min);
    CHECK(watched.look(step, tick_clock::now(), 1h, 0s) == 0);
    CHECK(watched.look(step, tick_clock::now(), 20min, 0s) == 1);
    CHECK(watched.look(step, tick_clock::now(), 20min, 0s) == 0);
    CHECK(watched.look(step, tick_clock::now(), 10min, 0s) == 2);
    CHECK(watched.look(step, tick_clock::now(), 1min, 0s) == 8);
    CHECK(watched.look(step, tick_clock::now(), 1min, 0s) == 0);
    CHECK(watched.look(step_since(30min), tick_clock::now(), 20min, 0s) == 1);  // another one
}

TEST_CASE("a step of half the threshold is none, nor is a loop that waits") {
    watched_loop watched(1);
    CHECK(watched.look(step_since(30min), tick_clock::now(), 1h, 0s) == 0);
    auto waiting = step_since(10h);
    waiting.in_step = false;
    CHECK(watched.look(waiting, tick_clock::now(), 1h, 0s) == 0);
    CHECK(watched.until_next_look(1h) == 30min);
    CHECK_FALSE(watched.still_stands(waiting));
}

TEST_CASE("the next look is when the threshold is reached, or half of one later") {
    watched_loop watched(1);
    static_cast<void>(watched.look(step_since(50min), tick_clock::now(), 1h, 0s));
    CHECK(watched.until_next_look(1h) <= 10min);
    CHECK(watched.until_next_look(1h) > 5min);
    static_cast<void>(watched.look(step_since(1min), tick_clock::now(), 1h, 0s));
    CHECK(watched.until_next_look(1h) == 30min);
}

TEST_CASE("a minute has so many reports, and the rest is counted") {
    report_budget budget;
    const auto start = report_budget::instant() + 1h;
    int made = 0;
    for (int i = 0; i < 10; ++i) {
        made += budget.allows(start + std::chrono::seconds(i), 5) ? 1 : 0;
    }
    CHECK(made == 5);
    CHECK_FALSE(budget.is_due(start + 59s));
    CHECK(budget.is_due(start + 60s));
    CHECK(budget.take_suppressed() == 5);
    CHECK(budget.take_suppressed() == 0);
    CHECK_FALSE(budget.is_due(start + 61s));
    CHECK(budget.allows(start + 61s, 5));
}
