// SPDX-License-Identifier: Apache-2.0
// What a coroutine allocates: the list that it builds, and not what another task does meanwhile.
#include <coroscope/instrumentation/memory_hooks.hpp>
#include <coroscope/instrumentation/memory_profiler.hpp>
#include <coroscope/instrumentation/profiler.hpp>
#include <coroscope/runtime/run.hpp>
#include <coroscope/runtime/sleep.hpp>

#include <chrono>
#include <filesystem>
#include <iostream>
#include <list>
#include <string>

using namespace coroscope;
using namespace coroscope::instrumentation;
using namespace std::chrono_literals;

namespace {

coro<std::list<int>> to_be_profiled() {
    co_await sleep_for(20ms);
    co_return std::list<int>(10'000, 42);
}

coro<> busy_neighbour() {
    for (int i = 0; i < 10; ++i) {
        const std::string text(100'000, 'x');
        co_await sleep_for(1ms);
    }
}

coro<> both(profiler& memory) {
    const auto measured = memory.profile_memory("to_be_profiled", to_be_profiled);
    auto neighbour = get_running_loop().create_task(busy_neighbour());
    const auto list = co_await measured();
    co_await neighbour;
    std::cout << list.size() << " numbers\n";
}

void print(const profiler& memory) {
    for (const auto& [name, stats] : memory.memory_stats(memory_key::filename)) {
        for (const auto& call : stats.recent) {
            for (const auto& row : call.rows) {
                std::cout << "Memory measurements for a call of " << name << ": "
                          << std::filesystem::path(row.key).filename().string() << ": "
                          << row.amounts.live_bytes() << " bytes in " << row.amounts.live_blocks()
                          << " blocks\n";
            }
        }
    }
}

}  // namespace

int main() {
    hook_memory();
    profiler memory;
    run(both(memory));
    print(memory);
}
