// SPDX-License-Identifier: Apache-2.0
// Coroutines and tasks that take longer than they should, waiting included. The clock is a fake
// one, so that the program takes no time and always writes the same; leave it out for real time.

#include <coroscope/instrumentation/long_running.hpp>
#include <coroscope/runtime/run.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/testkit/fake_clock.hpp>

#include <chrono>
#include <filesystem>
#include <iostream>

using namespace std::chrono_literals;
using coroscope::instrumentation::task_run;
using coroscope::instrumentation::timed_call;

namespace {

constexpr auto threshold = 500ms;

double seconds(coroscope::duration d) {
    return std::chrono::duration<double>(d).count();
}

/// What takes long is policy, and the handler's.
void warn(const timed_call& call) {
    if (call.elapsed() <= threshold) { return; }
    std::cout << "The coroutine " << call.name() << " took " << seconds(call.elapsed()) << " s\n";
    const auto origin = call.origin();
    if (origin.empty()) { std::cout << "Coroutine has no origin !\n"; }
    for (const auto& site : origin) {
        std::cout << "  file:" << std::filesystem::path(site.file_name()).filename().string()
                  << " line:" << site.line() << " function:" << coroscope::function_name(site)
                  << '\n';
    }
}

void log(const task_run& run) {
    std::cout << run.name << " took " << seconds(run.elapsed) << " s to run ("
              << to_string(run.outcome) << ")\n";
}

}  // namespace

namespace napping {

coroscope::coro<> nap(coroscope::duration d) {
    co_await coroscope::sleep_for(d);
}

coroscope::coro<> work() {
    co_await nap(1s);
}

coroscope::coro<> program() {
    const auto nap_timed = coroscope::instrumentation::time_it_factory(warn)("nap", nap);
    co_await nap_timed(100ms);
    co_await nap_timed(1s);

    auto working = coroscope::get_running_loop().create_task(work(), "work");
    auto given_up = coroscope::get_running_loop().create_task(work(), "work given up");
    co_await nap(300ms);
    given_up.cancel();
    co_await working;
}

}  // namespace napping

int main() {
    coroscope::testkit::fake_clock clock;
    coroscope::run_options options;
    options.clock = &clock;
    options.name = "program";
    options.prepare = [](coroscope::loop& loop) {
        loop.set_task_factory(coroscope::instrumentation::monitor_task_factory(log));
    };
    coroscope::run(napping::program(), options);
}
