// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/instrumentation/races/race_detector.hpp>

#include <coroscope/runtime/task.hpp>

#include "runtime/virtual_loop.hpp"

#include <string>
#include <utility>
#include <vector>

/// A virtual loop with a race detector.
struct raced_loop {
    explicit raced_loop(coroscope::instrumentation::race_options options = {},
                        coroscope::loop_options of_loop = {})
        : v(std::move(of_loop)),
          races(std::move(options)) {
        races.attach_to(v.loop);
    }

    /// Starts a task of that name.
    void start(coroscope::coro<> work, std::string name) {
        tasks.push_back(v.loop.create_task(std::move(work), name));
    }
    /// Runs them, in the order in which they were started, until all have ended or nothing can run.
    void run() {
        auto all = [](raced_loop& in) -> coroscope::coro<> {
            for (auto& each : in.tasks) {
                co_await each;
            }
        };
        auto joined = v.loop.create_task(all(*this), "all");
        try {
            v.loop.run_until_complete(joined);
        } catch (const std::exception& e) { failure = e.what(); }
    }

    [[nodiscard]] std::vector<std::string> rules() {
        std::vector<std::string> found;
        for (const auto& each : races.findings()) {
            found.push_back(each.rule);
        }
        return found;
    }

    virtual_loop v;
    coroscope::instrumentation::race_detector races;
    std::vector<coroscope::task<>> tasks;
    std::string failure;
};

using rule_list = std::vector<std::string>;
