// SPDX-License-Identifier: Apache-2.0
// A program with known costs that is profiled from outside: one task computes, one waits, one
// function allocates. It serves until its input ends.

#include <coroscope/profiler_server/live_facts.hpp>
#include <coroscope/profiler_server/server.hpp>

#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>

#ifdef COROSCOPE_TEST_MEMORY
#include <coroscope/instrumentation/memory_hooks.hpp>
#endif

#include "instrumentation/cpu_burning.hpp"

#include <chrono>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace coroscope;
using namespace coroscope::instrumentation;
using namespace std::chrono_literals;

coro<> compute(const bool& stop) {
    while (!stop) {
        burn_cpu(1ms);
        co_await yield_now();
    }
}

coro<> sleep_long() {
    co_await sleep_for(24h);
}

coro<std::vector<std::unique_ptr<int>>> make_list() {
    std::vector<std::unique_ptr<int>> list(1'000);
    for (auto& each : list) {
        each = std::make_unique<int>(7);
    }
    co_await yield_now();
    co_return list;
}

coro<> work(profiler& functions, const bool& stop) {
    auto computing = get_running_loop().create_task(compute(stop), "computing");
    auto sleeping = get_running_loop().create_task(sleep_long(), "sleeping");
#ifdef COROSCOPE_TEST_MEMORY
    const auto measured = functions.profile_memory("make_list", make_list);
#else
    const auto measured = functions.profile_time("make_list", make_list);
#endif
    const auto list = co_await measured();
    std::cout << "working" << std::endl;
    co_await computing;
    sleeping.cancel();
}

}  // namespace

int main() {
    bool stop = false;
    profiler functions;
    cpu_profiler cpu;
    memory_profiler memory;
    loop l;
    const wait_profiler waits(l);
    cpu.attach_to(l);
    auto facts = profiler_server::facts_about(l, functions, cpu, waits);
#ifdef COROSCOPE_TEST_MEMORY
    hook_memory();
    memory.start();
    facts->add(memory);
#endif
    const profiler_server::profiler_server server(facts);
    std::cout << "serves on " << server.port() << std::endl;
    std::thread reader([&] {
        std::string line;
        while (std::getline(std::cin, line)) {}
        l.call_soon_threadsafe([&stop] { stop = true; });
    });
    l.run_until_complete(work(functions, stop));
    reader.join();
    cpu.detach_from(l);
}
