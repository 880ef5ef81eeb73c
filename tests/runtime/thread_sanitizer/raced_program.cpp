// SPDX-License-Identifier: Apache-2.0
// Run by report_test.py, which reads what the thread sanitizer says of its tasks.
#include <coroscope/runtime/executor.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/run.hpp>
#include <coroscope/runtime/sleep.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <iostream>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>

namespace {

using coroscope::coro;

/// Set when the teller has made an entry. Relaxed, so that it orders nothing: who waits for it
/// comes later, with whatever else the threads may happen to order, and races all the same.
std::atomic<bool> is_booked{false};

void wait_for_entry() {
    while (!is_booked.load(std::memory_order_relaxed)) {
        std::this_thread::yield();
    }
}

void book(long& balance, long amount) {
    balance += amount;
    is_booked.store(true, std::memory_order_relaxed);
}

void add_interest(long& balance) {
    wait_for_entry();
    balance += balance / 100;
}

coro<void> serve_teller(long& balance) {
    auto job = coroscope::get_running_loop().run_in_executor([&balance] { add_interest(balance); });
    book(balance, 50);
    co_await job;
}

coro<void> serve_with_care(long& balance) {
    book(balance, 50);
    auto job = coroscope::get_running_loop().run_in_executor([&balance] { add_interest(balance); });
    co_await job;
    book(balance, 50);
}

coro<void> race() {
    long balance = 1000;
    auto teller = coroscope::get_running_loop().create_task(serve_teller(balance), "teller");
    co_await teller;
}

coro<void> hand_over() {
    long balance = 1000;
    auto teller = coroscope::get_running_loop().create_task(serve_with_care(balance), "teller");
    co_await teller;
}

coro<void> rename_later(long& balance) {
    coroscope::current_task().set_name(
        "teller of the second counter, who came late and was renamed");
    co_await serve_teller(balance);
}

coro<void> rename() {
    long balance = 1000;
    auto teller = coroscope::get_running_loop().create_task(rename_later(balance));
    co_await teller;
}

coro<void> yield_once() {
    co_await coroscope::yield_now();
}

coro<void> count(long& balance) {
    for (int i = 0; i < 3; ++i) {
        const auto seen = balance;
        co_await coroscope::yield_now();
        balance = seen + 1;
    }
}

/// A lost update, but no race of threads.
coro<void> tasks_of_one_thread() {
    long balance = 0;
    auto& loop = coroscope::get_running_loop();
    auto first = loop.create_task(count(balance), "first");
    auto second = loop.create_task(count(balance), "second");
    co_await first;
    co_await second;
}

coro<void> begin_and_end(std::uint64_t& ended) {
    co_await coroscope::yield_now();
    ++ended;
}

coro<void> start_many(std::uint64_t& ended, int in_all, int at_once) {
    auto& loop = coroscope::get_running_loop();
    for (int i = 0; i < in_all; i += at_once) {
        for (int j = 0; j < at_once; ++j) {
            loop.create_task(begin_and_end(ended));
        }
        co_await coroscope::yield_now();
        co_await coroscope::yield_now();
    }
}

coro<void> many() {
    std::uint64_t ended = 0;
    co_await start_many(ended, 100'000, 1);
    co_await start_many(ended, 100'000, 1'000);
    co_await start_many(ended, 100'000, 100'000);
    std::cout << ended << " tasks ended\n";
}

coro<void> race_after_many() {
    std::uint64_t ended = 0;
    co_await start_many(ended, 2'000, 2'000);
    co_await race();
}

/// The teller runs inside of the main task's step.
coro<void> race_inside() {
    long balance = 1000;
    auto& loop = coroscope::get_running_loop();
    loop.set_task_factory(coroscope::eager_task_factory);
    auto teller = loop.create_task(serve_teller(balance), "teller");
    co_await teller;
}

/// After the eager task's first step the main one's goes on.
coro<void> race_around() {
    long balance = 1000;
    auto& loop = coroscope::get_running_loop();
    loop.set_task_factory(coroscope::eager_task_factory);
    auto job = loop.run_in_executor([&balance] { add_interest(balance); });
    auto other = loop.create_task(yield_once(), "other");
    book(balance, 50);
    co_await other;
    co_await job;
}

coro<void> race_in_callback() {
    long balance = 1000;
    auto& loop = coroscope::get_running_loop();
    std::optional<coroscope::future<void>> job;
    loop.call_soon([&] {
        job = loop.run_in_executor([&balance] { add_interest(balance); });
        book(balance, 50);
    });
    while (!job.has_value()) {
        co_await coroscope::yield_now();
    }
    co_await *job;
}

coro<void> book_later(long& balance) {
    wait_for_entry();
    book(balance, 1);
    co_return;
}

coro<void> race_of_loops() {
    long balance = 1000;
    std::thread other([&balance] { coroscope::run(book_later(balance)); });
    book(balance, 1);
    other.join();
    co_return;
}

coro<void> wait_long() {
    co_await coroscope::sleep_for(std::chrono::hours(1));
}

coro<void> fail() {
    co_await coroscope::yield_now();
    throw std::runtime_error("no more money");
}

coro<void> end_in_all_ways() {
    auto& loop = coroscope::get_running_loop();
    for (int i = 0; i < 100; ++i) {
        auto failing = loop.create_task(fail(), "fails");
        auto cancelled = loop.create_task(wait_long(), "cancelled");
        auto unstarted = loop.create_task(yield_once(), "unstarted");
        unstarted.cancel();
        co_await coroscope::yield_now();
        cancelled.cancel();
        try {
            co_await failing;
        } catch (const std::runtime_error&) {  // NOLINT(bugprone-empty-catch): as it should
        }
    }
    loop.create_task(wait_long(), "destroyed");
    const coroscope::loop unused;
    coroscope::loop other;
    other.create_task(yield_once(), "never begun");
}

const std::map<std::string, coro<void> (*)()> programs{
    {"race", race},
    {"hand-over", hand_over},
    {"rename", rename},
    {"tasks-of-one-thread", tasks_of_one_thread},
    {"many", many},
    {"race-after-many", race_after_many},
    {"race-inside", race_inside},
    {"race-around", race_around},
    {"callback", race_in_callback},
    {"two-loops", race_of_loops},
    {"ends", end_in_all_ways},
};

}  // namespace

int main(int argc, char** argv) {
    const auto chosen = programs.find(argc == 2 ? argv[1] : "");
    if (chosen == programs.end()) {
        std::cerr << "usage: raced_program PROGRAM\n";
        return 2;
    }
    coroscope::run(chosen->second());
    std::cout << "done\n";
    return 0;
}
