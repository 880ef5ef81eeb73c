// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/cpu_profiler.hpp>

#include <coroscope/runtime/executor.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/runtime/task_table.hpp>

#include "instrumentation/cpu_burning.hpp"
#include "instrumentation/sampled_loop.hpp"
#include "support/catch.hpp"

#include <chrono>
#include <csignal>
#include <map>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>

using namespace coroscope;
using namespace coroscope::instrumentation;
using namespace std::chrono_literals;

namespace {

constexpr bool takes_stacks = COROSCOPE_TEST_NATIVE_STACKS != 0;

std::string text_of(const report::profile& profile, const report::profile_sample& sample) {
    std::string text;
    for (const auto frame : sample.stack) {
        text += profile.frames[frame].function + '\n';
    }
    return text;
}

coro<> burns_inside(std::chrono::nanoseconds cpu) {
    co_await yield_now();
    burn_cpu(cpu);
}

coro<> awaits_burning(std::chrono::nanoseconds cpu) {
    co_await burns_inside(cpu);
}

}  // namespace

TEST_CASE("a CPU profile has the native stack, who awaits the coroutine, and the task's name") {
    if (!samples_cpu) { return; }
    sampled_loop s;
    const auto seen = s.profile(s.l.create_task(awaits_burning(200ms), "burner"));
    CHECK(seen.kind == "cpu");
    CHECK(seen.period == 4'000'000);
    CHECK(report::total(seen, 1) == report::total(seen, 0) * seen.period);
    REQUIRE_FALSE(seen.samples.empty());
    const auto& first = seen.samples.front();
    CHECK(first.task == "burner");
    CHECK_FALSE(first.truncated);
    const auto text = text_of(seen, first);
    INFO(text);
    CHECK(text.find("awaits_burning") != std::string::npos);
    CHECK(text.find("run_until_complete") == std::string::npos);
    if (takes_stacks) {
        CHECK(text.find("burn_cpu") < text.find("burns_inside"));
        CHECK(text.find("burns_inside") < text.find("awaits_burning"));
    }
}

TEST_CASE("a callback's CPU time is no task's, and a task's that waits is nobody's") {
    if (!samples_cpu) { return; }
    sampled_loop s;
    auto waiting = s.l.create_future<>();
    const auto waits = s.l.create_task(
        [](future<> until) -> coro<> {
            co_await until;
        }(waiting),
        "waiting");
    s.l.call_soon([&waiting] {
        burn_cpu(200ms);
        waiting.set_result();
    });
    const auto shares = shares_of(s.profile(waits));
    REQUIRE(shares.contains(""));
    CHECK(shares.at("") > 50);
}

TEST_CASE("what an executor's thread computes is not blamed on the task that waits for it") {
    if (!samples_cpu) { return; }
    sampled_loop s;
    const auto offloads = []() -> coro<> {
        auto job = get_running_loop().run_in_executor([] {
            cpu_profiler::sample_this_thread();
            burn_cpu(200ms);
        });
        co_await job;
    };
    const auto shares = shares_of(s.profile(s.l.create_task(offloads(), "offloads")));
    REQUIRE(shares.contains(""));
    CHECK(shares.at("") > 50);
}

TEST_CASE("what finds no room is counted as dropped") {
    if (!samples_cpu) { return; }
    cpu_profiler_options options;
    options.most_stacks = 0;
    sampled_loop s(options);
    const auto seen = s.profile(s.l.create_task(awaits_burning(100ms), "burner"));
    CHECK(seen.samples.empty());
    CHECK(seen.dropped > 0);
}

TEST_CASE("collecting ends as soon as it is asked to") {
    cpu_profiler profiler;
    std::stop_source asked;
    asked.request_stop();
    const auto profile = profiler.collect(std::chrono::hours(1), asked.get_token());
    CHECK(profile.kind == "cpu");
    CHECK(profile.duration < std::chrono::hours(1));
    CHECK_FALSE(profiler.is_started());
}

TEST_CASE("one profile at a time in a process") {
    cpu_profiler one;
    cpu_profiler other;
    one.start();
    CHECK(one.is_started());
    CHECK_THROWS_AS(one.start(), already_sampled_error);
    if (samples_cpu) { CHECK_THROWS_AS(other.start(), already_sampled_error); }
    static_cast<void>(one.stop());
    CHECK_FALSE(one.is_started());
    CHECK_FALSE(one.stop().note.empty());
    CHECK_NOTHROW(other.start());
    static_cast<void>(other.stop());
}

TEST_CASE("a CPU profiler's options are checked") {
    cpu_profiler_options options;
    options.frequency = 0;
    CHECK_THROWS_AS(cpu_profiler(options), std::invalid_argument);
    options.frequency = 250;
    options.signal_offset = 1000;
    CHECK_THROWS_AS(cpu_profiler(options), std::invalid_argument);
}

TEST_CASE("a thread that holds the profiler's signal back is named in the note") {
    if (!samples_cpu) { return; }
    cpu_profiler profiler;
    profiler.start();
    std::thread([] {
        sigset_t signal;
        ::sigemptyset(&signal);
        ::sigaddset(&signal, SIGRTMIN + cpu_profiler_options().signal_offset);
        ::pthread_sigmask(SIG_BLOCK, &signal, nullptr);
        cpu_profiler::sample_this_thread();
    }).join();
    const auto seen = profiler.stop();
    CHECK(seen.note.find("holds signal") != std::string::npos);
}

TEST_CASE("the text of a CPU profile") {
    report::profile_builder builder("cpu", {{"samples", "count"}, {"cpu", "nanoseconds"}});
    const auto frame = [](const char* function) {
        report::stack_frame made;
        made.function = function;
        return made;
    };
    builder.add({{frame("gzip"), frame("serve")}, false}, "compressor", {150, 600'000'000});
    builder.add({{frame("parse"), frame("serve")}, false}, "reader", {75, 300'000'000});
    builder.add({{frame("gzip")}, false}, "", {25, 100'000'000});
    auto profile = builder.take();
    profile.duration = 2s;
    profile.dropped = 3;
    profile.note = "thread 7 is not sampled: it holds signal 44 back";
    CHECK(cpu_profile_text(profile) ==
          R"(CPU profile: 1.000 s in 250 samples, of 2.000 s, 3 dropped
  thread 7 is not sampled: it holds signal 44 back
by task:
   60.0 %  0.600 s  compressor
   30.0 %  0.300 s  reader
   10.0 %  0.100 s  (no named task)
by function:
   70.0 %  0.700 s  gzip
   30.0 %  0.300 s  parse
)");
    CHECK(cpu_profile_text(profile, 1).find("  and 2 more\n") != std::string::npos);
}

TEST_CASE("the text of a CPU profile in which nothing was seen") {
    report::profile_builder nothing("cpu", {{"samples", "count"}, {"cpu", "nanoseconds"}});
    CHECK(cpu_profile_text(nothing.take()) == "CPU profile: 0.000 s in 0 samples, of 0.000 s\n");
}
