// SPDX-License-Identifier: Apache-2.0
// A program that can be profiled from outside, and somebody who asks it where its tasks wait.
#include <coroscope/profiler_server/client.hpp>
#include <coroscope/profiler_server/live_facts.hpp>
#include <coroscope/profiler_server/server.hpp>

#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>

#include <chrono>
#include <cstdint>
#include <iostream>

namespace shop {

coroscope::coro<> wait_for_payment() {
    co_await coroscope::sleep_for(std::chrono::hours(1));
}

coroscope::coro<> order() {
    co_await wait_for_payment();
}

}  // namespace shop

namespace {

coroscope::coro<> one_turn() {
    co_await coroscope::yield_now();
}

coroscope::report::profile ask(std::uint16_t port) {
    const coroscope::profiler_server::profiler_client client("127.0.0.1", port);
    return client.wait_profile().profile;
}

void print_sleeps(const coroscope::report::profile& profile) {
    for (const auto& sample : profile.samples) {
        if (profile.frames[sample.stack.front()].function != "[sleep]") { continue; }
        for (const auto frame : sample.stack) {
            std::cout << "  " << profile.frames[frame].function << "\n";
        }
    }
}

}  // namespace

int main() {
    coroscope::instrumentation::profiler functions;
    coroscope::instrumentation::cpu_profiler cpu;
    coroscope::loop loop;
    cpu.attach_to(loop);
    const coroscope::instrumentation::wait_profiler waits(loop);
    const auto facts = coroscope::profiler_server::facts_about(loop, functions, cpu, waits);
    const coroscope::profiler_server::profiler_server server(facts, {"127.0.0.1", 0});

    auto order = loop.create_task(shop::order(), "order");
    loop.run_until_complete(one_turn());
    std::cout << "a task sleeps:\n";
    print_sleeps(ask(server.port()));
    order.cancel();
    loop.run_until_complete(one_turn());
}
