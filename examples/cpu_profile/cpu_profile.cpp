// SPDX-License-Identifier: Apache-2.0
// Which task and which function compute: a CPU profile of two tasks, one of which only waits.
#include <coroscope/instrumentation/cpu_profiler.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>

#include <ctime>
#include <iostream>

namespace shop {

/// Computes for so many milliseconds of CPU time, however long that takes.
[[gnu::noinline]] void compress(int milliseconds) {
    const auto end = std::clock() + milliseconds * (CLOCKS_PER_SEC / 1000);
    while (std::clock() < end) {}
}

coroscope::coro<> serve() {
    for (int i = 0; i < 10; ++i) {
        compress(30);
        co_await coroscope::yield_now();
    }
}

coroscope::coro<> serve_client() {
    co_await serve();
}

coroscope::coro<> wait() {
    co_await coroscope::sleep_for(std::chrono::milliseconds(10));
}

}  // namespace shop

int main() {
    coroscope::instrumentation::cpu_profiler profiler;
    coroscope::loop l;
    profiler.attach_to(l);

    profiler.start();
    auto waiter = l.create_task(shop::wait(), "waiter");
    l.run_until_complete(l.create_task(shop::serve_client(), "compressor"));
    l.run_until_complete(waiter);
    const auto profile = profiler.stop();

    const auto& most = profile.samples.front();
    std::cout << "most of the CPU time: task " << most.task << "\n";
    for (const auto frame : most.stack) {
        const auto& function = profile.frames[frame].function;
        if (function.starts_with("shop::")) { std::cout << "  " << function << "\n"; }
    }
    // With the numbers of this machine:
    std::cerr << coroscope::instrumentation::cpu_profile_text(profile);
}
