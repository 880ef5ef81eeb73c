// SPDX-License-Identifier: Apache-2.0
// What orders jobs and the loop that gave them away, and what their memory is.
#include <coroscope/runtime/threads.hpp>

#include "instrumentation/race_hooks/seen_accesses.hpp"
#include "instrumentation/race_hooks/threaded_loop.hpp"
#include "support/catch.hpp"

#include <coroscope/runtime/mutex.hpp>
#include <coroscope/runtime/sleep.hpp>

#include <algorithm>
#include <array>
#include <future>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace coroscope;

namespace {

coro<> set_beside_job(executor& pool, int& value, bool awaits_first) {
    unseen_event go_on;
    unseen_event ended;
    auto longer = get_running_loop().run_in_executor(pool, [&] { ended.wait(); });
    auto job = get_running_loop().run_in_executor(pool, [&] {
        value += 1;
        go_on.happen();
    });
    if (awaits_first) { co_await job; }
    go_on.wait();
    value += 1;
    if (!awaits_first) { co_await job; }
    ended.happen();
    co_await longer;
}

}  // namespace

TEST_CASE("the loop comes after a job that it awaited, and not beside one", "[threads]") {
    const bool awaits_first = GENERATE(true, false);
    threaded_loop r;
    auto value = std::make_unique<int>(0);
    r.start(set_beside_job(r.pool, *value, awaits_first), "main");
    r.run();
    CHECK(r.rules() == (awaits_first ? rule_list{} : rule_list{"thread-race"}));
}

namespace {

coro<> add_with_job(executor& pool, int& value, std::mutex& lock, bool holds) {
    std::unique_lock held(lock, std::defer_lock);
    if (holds) { held.lock(); }
    unseen_event has_begun;
    auto job = get_running_loop().run_in_executor(pool, [&] {
        has_begun.happen();
        const std::scoped_lock own(lock);
        value += 1;
    });
    has_begun.wait();
    value += 1;
    if (holds) { held.unlock(); }
    co_await job;
}

}  // namespace

TEST_CASE("a mutex that the loop took before its first job is held", "[threads]") {
    const bool holds = GENERATE(true, false);
    threaded_loop r;
    auto value = std::make_unique<int>(0);
    std::mutex lock;
    r.start(add_with_job(r.pool, *value, lock, holds), "main");
    r.run();
    CHECK(r.rules() == (holds ? rule_list{} : rule_list{"thread-race"}));
}

namespace {

coro<> post_from_job(executor& pool, int& value, bool writes_first) {
    unseen_event was_read;
    auto& loop = get_running_loop();
    co_await loop.run_in_executor(pool, [&] {
        if (writes_first) { value = 1; }
        loop.call_soon_threadsafe([&] {
            value += 1;
            was_read.happen();
        });
        was_read.wait();
        if (!writes_first) { value = 1; }
    });
}

}  // namespace

TEST_CASE("a callback that a job posts comes after what the job did before", "[threads]") {
    const bool writes_first = GENERATE(true, false);
    threaded_loop r;
    auto value = std::make_unique<int>(0);
    r.start(post_from_job(r.pool, *value, writes_first), "main");
    r.run();
    CHECK(r.rules() == (writes_first ? rule_list{} : rule_list{"thread-race"}));
}

namespace {

coro<> add_one(int& value, unseen_event& is_added) {
    value += 1;
    is_added.happen();
    co_return;
}
coro<> run_from_job(executor& pool, int& value, bool gets_result) {
    auto& loop = get_running_loop();
    co_await loop.run_in_executor(pool, [&] {
        unseen_event is_added;
        value += 1;
        auto added = run_coroutine_threadsafe(add_one(value, is_added), loop);
        is_added.wait();
        if (gets_result) { added.get(); }
        value += 1;
        if (!gets_result) { added.get(); }
    });
}

}  // namespace

TEST_CASE("a job comes after a coroutine whose result it got from the loop", "[threads]") {
    const bool gets_result = GENERATE(true, false);
    threaded_loop r;
    auto value = std::make_unique<int>(0);
    r.start(run_from_job(r.pool, *value, gets_result), "main");
    r.run();
    CHECK(*value == 3);
    CHECK(r.rules() == (gets_result ? rule_list{} : rule_list{"thread-race"}));
}

namespace {

using block = std::array<int, 600>;  // no thread keeps blocks of that size for itself

coro<> write_later(block*& shared) {
    co_await yield_now();
    shared->at(0) = 7;
}
coro<> use_anew(executor& pool, block*& shared, bool is_freed, bool& is_same) {
    const int old = shared->at(0);
    co_await yield_now();
    co_await yield_now();
    auto* const before = shared;
    if (is_freed) {
        const auto free = [before] {
            delete before;
        };
        co_await get_running_loop().run_in_executor(pool, free);
        shared = new block;
    }
    is_same = shared == before;
    shared->at(0) = old + 1;
}

}  // namespace

TEST_CASE("what a job frees is another variable when the loop gets it again", "[threads]") {
    const bool is_freed = GENERATE(true, false);
    threaded_loop r;
    auto* shared = new block{};
    bool is_same = false;
    r.start(use_anew(r.pool, shared, is_freed, is_same), "first");
    r.start(write_later(shared), "other");
    r.run();
    delete shared;
    const rule_list rules = r.rules();
    if (!is_same) { return; }  // the allocator's choice
    CHECK(rules == (is_freed ? rule_list{} : rule_list{"stale-write"}));
}

namespace {

coro<> add_beside_thread(int& value, bool joins_first) {
    unseen_event go_on;
    unseen_event ended;
    std::thread longer([&] { ended.wait(); });
    std::thread other([&] {
        value += 1;
        go_on.happen();
    });
    go_on.wait();
    if (joins_first) { other.join(); }
    value += 1;
    if (!joins_first) { other.join(); }
    ended.happen();
    longer.join();
    co_return;
}
coro<> add_beside_call(int& value, bool gets_first) {
    unseen_event go_on;
    auto other = std::async(std::launch::async, [&] {
        value += 1;
        go_on.happen();
        return 3;
    });
    go_on.wait();
    if (gets_first) { other.get(); }
    value += 1;
    if (!gets_first) { other.get(); }
    co_return;
}

}  // namespace

TEST_CASE("a thread that a task starts comes before what follows its join", "[threads]") {
    const bool joins_first = GENERATE(true, false);
    const bool is_call = GENERATE(true, false);
    threaded_loop r;
    auto value = std::make_unique<int>(0);
    r.start(is_call ? add_beside_call(*value, joins_first) : add_beside_thread(*value, joins_first),
            "main");
    r.run();
    CHECK(r.rules() == (joins_first ? rule_list{} : rule_list{"thread-race"}));
    if (joins_first) { return; }
    const auto text = r.races.findings()[0].message;
    INFO(text);
    const auto name = is_call ? "thread 1 (of task 1 (main))" : "thread 2 (of task 1 (main))";
    CHECK(text.find(name) != std::string::npos);
}

namespace {

coro<> start_thread(std::thread& started, int& value, unseen_event& is_added) {
    started = std::thread([&] {
        value += 1;
        is_added.happen();
    });
    co_return;
}
coro<> add_one_more(int& value) {
    value += 1;
    co_return;
}

}  // namespace

TEST_CASE("a thread that is joined between two runs of the loop comes before the second",
          "[threads]") {
    const bool joins_first = GENERATE(true, false);
    threaded_loop r;
    auto value = std::make_unique<int>(0);
    unseen_event is_added;
    std::thread started;
    r.start(start_thread(started, *value, is_added), "first");
    r.run();
    is_added.wait();
    if (joins_first) { started.join(); }
    r.start(add_one_more(*value), "second");
    r.run();
    if (!joins_first) { started.join(); }
    CHECK(*value == 2);
    CHECK(r.rules() == (joins_first ? rule_list{} : rule_list{"thread-race"}));
}

TEST_CASE("where an exception lies, something else has been before", "[threads]") {
    struct large_error {
        std::array<char, 80> text{};
    };
    seen_accesses seen;
    loop one;
    // An allocator gives the same place again, at once or in the end.
    constexpr std::size_t most = 10'000;
    std::vector<const void*> places;
    places.reserve(most);
    bool is_known = false;
    std::size_t ended = 0;
    one.call_soon([&] {
        while (!is_known && places.size() < most) {
            seen.ended_bytes = 0;
            try {
                throw large_error{};
            } catch (large_error& thrown) {
                ended = seen.ended_bytes;
                is_known = std::find(places.begin(), places.end(), &thrown) != places.end();
                thrown.text[0] = 'x';
                places.push_back(&thrown);
            }
        }
        one.stop();
    });
    one.run_forever();
    REQUIRE(is_known);
    CHECK(ended == sizeof(large_error));
}

TEST_CASE("of a block that is freed by its size no more than that ends") {
    seen_accesses seen;
    loop one;
    std::size_t ended = 0;
    one.call_soon([&] {
        constexpr std::size_t bytes = 32;
        auto* const text = static_cast<char*>(::operator new(bytes));
        text[0] = 'x';
        ::operator delete(text, bytes);
        ended = seen.ended_bytes;
        one.stop();
    });
    one.run_forever();
    CHECK(ended == 32);
}

namespace {

/// Runs each job at once, on the loop's own thread.
struct executor_in_place final : executor {
    void submit(coroscope::detail::callback job) override { job(); }
};
coro<> add_in_jobs(executor& in, duration delay, int& value) {
    auto& loop = get_running_loop();
    const int old = co_await loop.run_in_executor(in, [&] { return value; });
    co_await sleep_for(delay);
    co_await loop.run_in_executor(in, [&] { value = old + 1; });
}

}  // namespace

TEST_CASE("a job that runs on the loop's own thread is part of its task") {
    raced_loop r;
    executor_in_place in;
    auto value = std::make_unique<int>(0);
    r.start(add_in_jobs(in, std::chrono::seconds(2), *value), "slow");
    r.start(add_in_jobs(in, std::chrono::seconds(1), *value), "quick");
    r.run();
    CHECK(*value == 1);
    REQUIRE(r.rules() == rule_list{"stale-write"});
    CHECK(r.races.findings()[0].message.starts_with("task 1 (slow) read"));
}

namespace {

/// Starts a thread for each job, which the hooks see as well.
struct thread_for_each final : executor {
    ~thread_for_each() override {
        for (auto& each : threads) {
            each.join();
        }
    }
    void submit(coroscope::detail::callback job) override {
        threads.emplace_back([job = std::move(job)]() mutable { job(); });
    }
    std::vector<std::thread> threads;
};

}  // namespace

namespace {

/// Runs one job, in a thread that was there before.
struct thread_that_waits final : executor {
    thread_that_waits()
        : thread([this] {
              given.wait();
              job();
          }) {}
    ~thread_that_waits() override { thread.join(); }
    void submit(coroscope::detail::callback given_job) override {
        job = std::move(given_job);
        given.happen();
    }
    unseen_event given;
    coroscope::detail::callback job;
    std::thread thread;
};

coro<> add_before_and_after(int& value) {
    thread_that_waits in;
    value += 1;
    co_await get_running_loop().run_in_executor(in, [&] { value += 1; });
    value += 1;
}

}  // namespace

TEST_CASE("a job comes after what was done before it was given to a thread", "[threads]") {
    threaded_loop r;
    auto value = std::make_unique<int>(0);
    r.start(add_before_and_after(*value), "main");
    r.run();
    CHECK(*value == 3);
    CHECK(r.rules() == rule_list{});
}

TEST_CASE("a job in a thread of the user's own is part of that, and orders as others do",
          "[threads]") {
    const bool awaits_first = GENERATE(true, false);
    threaded_loop r;
    thread_for_each in;
    auto value = std::make_unique<int>(0);
    r.start(set_beside_job(in, *value, awaits_first), "main");
    r.run();
    CHECK(*value == 2);
    CHECK(r.rules() == (awaits_first ? rule_list{} : rule_list{"thread-race"}));
}

namespace {

/// Looks without the lock first, and again with it, which nobody else holds.
coro<> make_number(int& made, mutex& lock, bool looks_again) {
    int number = made;
    const auto held = co_await lock.scoped();
    if (looks_again) { number = made; }
    co_await yield_now();
    made = number + 1;
}

}  // namespace

TEST_CASE("a second look under a lock that is free counts") {
    const bool looks_again = GENERATE(true, false);
    raced_loop r;
    auto made = std::make_unique<int>(0);
    mutex lock;
    r.start(make_number(*made, lock, looks_again), "one");
    r.start(make_number(*made, lock, looks_again), "two");
    r.run();
    CHECK(r.rules() == (looks_again ? rule_list{} : rule_list{"stale-write"}));
}
