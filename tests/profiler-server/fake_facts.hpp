// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/profiler_server/facts_source.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

namespace coroscope::test_support {

// A program's facts as a test wants them. Filled before the server starts.
struct fake_facts : profiler_server::facts_source {
    report::time_table table;
    std::vector<report::task_snapshot> all_tasks;
    std::vector<report::finding> found;
    std::vector<report::slow_step> slow;
    std::vector<report::loop_stats> loops;
    report::memory_table memory;
    report::profile profile;
    std::function<void(report::memory_key, const report::memory_filter&)> on_memory =
        [](auto, const auto&) {
        };
    std::function<void(const profiler_server::cpu_profile_request&, const std::stop_token&)>
        on_profile = [](const auto&, const auto&) {
        };
    std::function<void()> on_question = [] {
    };

    report::time_table time_stats() override {
        on_question();
        return table;
    }
    report::task_list tasks(std::size_t limit) override {
        const auto count = std::min(limit, all_tasks.size());
        const auto end = all_tasks.begin() + static_cast<std::ptrdiff_t>(count);
        return {{all_tasks.begin(), end}, all_tasks.size() - count};
    }
    std::vector<report::finding> findings() override {
        on_question();
        return found;
    }
    std::vector<report::slow_step> slow_steps() override { return slow; }
    std::vector<report::loop_stats> loop_stats() override { return loops; }
    report::memory_table memory_stats(report::memory_key by,
                                      const report::memory_filter& filter) override {
        on_memory(by, filter);
        return memory;
    }
    report::profile cpu_profile(const profiler_server::cpu_profile_request& wanted,
                                const std::stop_token& stop) override {
        on_profile(wanted, stop);
        return profile;
    }
    report::profile wait_profile() override { return profile; }
    report::profile memory_profile() override { return profile; }
};

// A profile of so many stacks, of one frame each, f1 with the most.
inline report::profile profile_of(int stacks) {
    report::profile_builder builder("cpu", {{"samples", "count"}, {"cpu", "nanoseconds"}});
    for (int i = 1; i <= stacks; ++i) {
        report::stack stack;
        stack.frames.emplace_back().function = "f" + std::to_string(i);
        builder.add(stack, "serve", {stacks - i + 1, (stacks - i + 1) * 1'000'000});
    }
    auto made = builder.take();
    made.period = 1'000'000;
    made.duration = std::chrono::seconds(1);
    return made;
}

inline report::slow_step slow_step_at(std::uint32_t line, std::chrono::nanoseconds wall) {
    report::slow_step step;
    step.sequence = line;
    step.task_id = 7;
    step.name = "serve";
    step.created_at = {"main.cpp", 20, "main()"};
    step.from = {"gzip.cpp", line, "serve()"};
    step.to = {"gzip.cpp", line + 10, "serve()"};
    step.wall = wall;
    step.threshold = std::chrono::milliseconds(5);
    return step;
}

}  // namespace coroscope::test_support
