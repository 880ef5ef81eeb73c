// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/runtime/task.hpp>

#include <string>
#include <vector>

/// Takes `steps` steps, and notes its letter in each.
inline coroscope::coro<> take_steps(int steps, char letter, std::string* order) {
    for (int i = 0; i < steps; ++i) {
        if (i > 0) { co_await coroscope::yield_now(); }
        if (order != nullptr) { *order += letter; }
    }
}

/// Tasks that do not wait for each other, of as many steps each: their interleavings are all there
/// is to choose. Notes who ran, a for the first, b for the second.
inline coroscope::coro<> tasks_of_steps(int tasks, int steps, std::string* order = nullptr) {
    std::vector<coroscope::task<>> started;
    for (int i = 0; i < tasks; ++i) {
        started.push_back(coroscope::get_running_loop().create_task(
            take_steps(steps, static_cast<char>('a' + i), order)));
    }
    co_await coroscope::gather(started);
}
