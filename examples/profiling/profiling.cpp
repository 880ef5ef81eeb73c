// SPDX-License-Identifier: Apache-2.0
// How long the calls of a function take, and what they allocate.
#include "to_be_profiled.hpp"

#include <coroscope/instrumentation/memory_hooks.hpp>
#include <coroscope/instrumentation/profiler.hpp>
#include <coroscope/runtime/run.hpp>

#include <chrono>
#include <filesystem>
#include <iostream>
#include <list>
#include <string>

using namespace coroscope::instrumentation;
using namespace std::chrono_literals;

namespace {

void print(const std::string& name, const coroscope::report::time_stats& stats) {
    std::cout << name << ": " << stats.calls << " call, " << stats.threw << " threw, "
              << stats.cancelled << " cancelled\n";
    for (const auto& call : stats.recent) {
        std::cout << "  it took " << (call.delta >= 30ms ? "no" : "!") << " less than its pause\n";
    }
}

void print(const std::string& name, const memory_stats& stats) {
    for (const auto& call : stats.recent) {
        for (const auto& row : call.rows) {
            std::cout << name << ": " << std::filesystem::path(row.key).filename().string() << ": "
                      << row.amounts.live_bytes() << " bytes in " << row.amounts.live_blocks()
                      << " blocks\n";
        }
    }
}

template <class F>
coroscope::coro<std::list<int>> call(const F& profiled) {
    co_await make_first_timer();
    co_return co_await profiled(30ms);
}

}  // namespace

int main() {
    hook_memory();
    profiler_options options;
    options.key_type = memory_key::filename;
    options.log = &std::cerr;  // everything, at the end, with the times of this machine
    profiler p(options);

    const auto measured = p.profile_memory("to_be_profiled", to_be_profiled);
    const auto timed = p.profile_time("to_be_profiled", measured);
    const auto numbers = coroscope::run(call(timed));
    std::cout << numbers.size() << " numbers\n";

    for (const auto& [name, stats] : p.time_stats()) {
        print(name, stats);
    }
    for (const auto& [name, stats] : p.memory_stats()) {
        print(name, stats);
    }
}
