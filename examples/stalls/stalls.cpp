// SPDX-License-Identifier: Apache-2.0
// A loop that stands still, and a watchdog that says where and why while it does. The step that
// stands still goes on when the watchdog has spoken, so that the program always writes the same.

#include <coroscope/instrumentation/slow.hpp>
#include <coroscope/instrumentation/stall_watchdog.hpp>
#include <coroscope/runtime/run.hpp>
#include <coroscope/runtime/sleep.hpp>

#include <array>
#include <chrono>
#include <iostream>
#include <string_view>

#include <unistd.h>

using namespace std::chrono_literals;
using coroscope::instrumentation::stall;

namespace {

std::array<int, 2> line_in{};  // a pipe: what is written to its second end comes out of the first

/// Blocks the loop: nothing else runs until somebody writes.
char read_letter() {
    char letter = 0;
    if (::read(line_in[0], &letter, 1) != 1) { return '?'; }
    return letter;
}

coroscope::coro<> greet() {
    co_await coroscope::yield_now();
    const char letter = read_letter();
    std::cout << "read " << letter << '\n';
}

/// On the watchdog's thread, while the loop stands still.
void warn(const stall& seen) {
    if (seen.step.cause->system_call != "read") { return; }
    std::cout << seen.step.name << " is in the system call " << seen.step.cause->system_call
              << '\n';
    if (!seen.step.stack) { std::cout << "no stack: " << seen.step.stack_trouble << '\n'; }
    for (const auto& frame : seen.step.stack.value_or(coroscope::report::stack()).frames) {
        const bool is_ours = std::string_view(frame.file).ends_with("/stalls.cpp");
        if (is_ours) { std::cout << "  " << frame.function << ", line " << frame.line << '\n'; }
    }
    static_cast<void>(!::write(line_in[1], "x", 1));
}

}  // namespace

int main() {
    if (::pipe(line_in.data()) != 0) { return 1; }
    coroscope::instrumentation::stall_watchdog_options watching;
    watching.handler = warn;
    coroscope::instrumentation::stall_watchdog watchdog(watching);

    coroscope::instrumentation::slow_spotter_options spotting;
    spotting.watchdog = &watchdog;
    coroscope::instrumentation::slow_spotter spotter(spotting);

    coroscope::run_options options;
    options.name = "greeter";
    options.prepare = [&](coroscope::loop& loop) {
        loop.set_slow_callback_duration(100ms);
        watchdog.attach_to(loop);
        spotter.attach_to(loop);
    };
    coroscope::run(greet(), options);
    for (const auto& step : spotter.records()) {
        if (step.cause) { std::cout << step.name << " was in " << step.cause->system_call << '\n'; }
    }
}
