// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/condition.hpp>
#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/mutex.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/runtime/task.hpp>

#include <chrono>

// Tasks that lock and wait, in ways that a detector has something to say about. Findings name the
// functions and this file.

inline coroscope::coro<> lock_one(coroscope::mutex& m) {
    const auto held = co_await m.scoped();
}

/// Deadlocks with one that takes them the other way round.
inline coroscope::coro<> lock_two(coroscope::mutex& first, coroscope::mutex& second) {
    const auto outer = co_await first.scoped();
    co_await coroscope::yield_now();
    const auto inner = co_await second.scoped();
}

inline coroscope::coro<> lock_twice(coroscope::mutex& m) {
    const auto held = co_await m.scoped();
    co_await m.lock();
}

/// Holds what the child that it waits for asks for.
inline coroscope::coro<> lend(coroscope::mutex& m) {
    const auto held = co_await m.scoped();
    auto child = coroscope::get_running_loop().create_task(lock_one(m), "child");
    co_await child;
}

/// Two of them leave no moment in which the mutex is free.
inline coroscope::coro<> hold_often(coroscope::mutex& m, int times) {
    for (int i = 0; i < times; ++i) {
        const auto held = co_await m.scoped();
        co_await coroscope::yield_now();
    }
}

inline coroscope::coro<> try_often(coroscope::mutex& m, int times) {
    co_await coroscope::yield_now();
    for (int i = 0; i < times; ++i) {
        if (m.try_lock()) { m.unlock(); }
        co_await coroscope::yield_now();
    }
}

inline coroscope::coro<> notify(coroscope::condition& c) {
    const auto lock = co_await c.scoped();
    c.notify_all();
}

/// Comes too late for a signal that is given at once, and asks nothing before it waits.
inline coroscope::coro<> wait_blindly(coroscope::condition& c) {
    co_await coroscope::sleep_for(std::chrono::seconds(1));
    const auto lock = co_await c.scoped();
    co_await c.wait();
}
