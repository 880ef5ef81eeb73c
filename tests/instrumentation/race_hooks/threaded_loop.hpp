// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "instrumentation/races/raced_loop.hpp"

#include <coroscope/runtime/executor.hpp>
#include <coroscope/runtime/loop.hpp>

#include <array>
#include <functional>
#include <stdexcept>
#include <utility>

#include <unistd.h>

/// Happens once, and keeps it from whoever watches.
class unseen_event {
public:
    unseen_event() {
        if (::pipe(ends_.data()) != 0) { throw std::runtime_error("no pipe"); }
    }
    ~unseen_event() {
        ::close(ends_[0]);
        ::close(ends_[1]);
    }
    unseen_event(const unseen_event&) = delete;
    unseen_event& operator=(const unseen_event&) = delete;

    void happen() { static_cast<void>(!::write(ends_[1], "x", 1)); }
    void wait() {
        char byte = 0;
        static_cast<void>(!::read(ends_[0], &byte, 1));
    }

private:
    std::array<int, 2> ends_{};
};

/// A loop, two threads, and what the detector says of two jobs that run in them at the same time.
struct threaded_loop : raced_loop {
    using job_function = std::function<void()>;

    threaded_loop() { v.clock.waits_for_others = true; }

    static constexpr unsigned line_of_jobs = __LINE__ + 3;  ///< and the next one
    static coroscope::coro<> run_both(coroscope::executor& pool, job_function one,
                                      job_function two) {
        auto first = coroscope::get_running_loop().run_in_executor(pool, std::move(one));
        auto second = coroscope::get_running_loop().run_in_executor(pool, std::move(two));
        co_await first;
        co_await second;
    }

    rule_list rules_of(job_function one, job_function two) {
        start(run_both(pool, std::move(one), std::move(two)), "main");
        run();
        return rules();
    }
    /// The first runs in its thread until the second has ended in its own.
    rule_list rules_in_turn(job_function one, job_function two) {
        unseen_event first;
        unseen_event second;
        return rules_of(
            [&] {
                one();
                first.happen();
                second.wait();
            },
            [&] {
                first.wait();
                two();
                second.happen();
            });
    }
    coroscope::thread_pool_executor pool{2};
};
