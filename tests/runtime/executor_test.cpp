// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/executor.hpp>

#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <atomic>
#include <future>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using coroscope::coro;
using coroscope::thread_pool_executor;

namespace {

/// Runs jobs when told to, in the thread that tells it; or refuses them.
class manual_executor final : public coroscope::executor {
public:
    void submit(coroscope::detail::callback job) override {
        if (refuses) { throw coroscope::invalid_state_error("no jobs today"); }
        jobs.push_back(std::move(job));
    }
    void run_all() {
        for (auto& job : std::exchange(jobs, {})) {
            job();
        }
    }
    bool refuses = false;
    std::vector<coroscope::detail::callback> jobs;
};

}  // namespace

TEST_CASE("a job runs in another thread and its result comes back", "[threads]") {
    virtual_loop v;
    auto body = [](coroscope::loop& l) -> coro<bool> {
        auto where = [] {
            return std::this_thread::get_id();
        };
        const auto id = co_await l.run_in_executor(where);
        co_return id != std::this_thread::get_id();
    };
    CHECK(v.loop.run_until_complete(body(v.loop)));
}

TEST_CASE("results of jobs may be void, move-only or references", "[threads]") {
    virtual_loop v;
    int target = 0;
    v.loop.run_until_complete(v.loop.run_in_executor([&] { target = 1; }));
    CHECK(target == 1);
    auto& same =
        v.loop.run_until_complete(v.loop.run_in_executor([&]() -> int& { return target; }));
    CHECK(&same == &target);
    auto body = [](coroscope::loop& l) -> coro<int> {
        auto owned = std::make_unique<int>(5);
        auto job = [p = std::move(owned)]() mutable {
            return std::move(p);
        };
        auto p = co_await l.run_in_executor(std::move(job));
        co_return *p;
    };
    CHECK(v.loop.run_until_complete(body(v.loop)) == 5);
}

TEST_CASE("a job's exception is thrown where its future is awaited", "[threads]") {
    virtual_loop v;
    auto f = v.loop.run_in_executor([]() -> int { throw std::out_of_range("in the job"); });
    CHECK_THROWS_AS(v.loop.run_until_complete(f), std::out_of_range);
}

TEST_CASE("many jobs run in several threads, and all results arrive", "[threads]") {
    coroscope::loop_options options;
    options.executor_threads = 4;
    virtual_loop v(options);
    auto body = [](coroscope::loop& l) -> coro<int> {
        std::vector<coroscope::future<int>> results;
        for (int i = 0; i < 500; ++i) {
            results.push_back(l.run_in_executor([i] { return i; }));
        }
        int sum = 0;
        for (auto& f : results) {
            const int n = co_await f;
            sum += n;
        }
        co_return sum;
    };
    CHECK(v.loop.run_until_complete(body(v.loop)) == 499 * 500 / 2);
    CHECK(v.loop.core().jobs == 0);
}

TEST_CASE("cancelling abandons a job: its awaiter goes on at once, its result is dropped") {
    virtual_loop v;
    manual_executor e;
    auto token = std::make_shared<int>();
    bool ran = false;
    auto body = [](coroscope::loop& l, manual_executor& in, std::shared_ptr<int> t,
                   bool& flag) -> coro<> {
        auto job = [t, &flag] {
            flag = true;
        };
        co_await l.run_in_executor(in, std::move(job));
    };
    auto t = v.loop.create_task(body(v.loop, e, token, ran));
    v.loop.call_soon([&] { v.loop.call_soon([&] { t.cancel(); }); });
    CHECK_THROWS_AS(v.loop.run_until_complete(t), coroscope::cancelled_error);
    CHECK(v.loop.core().jobs == 1);
    e.run_all();
    CHECK(ran);  // not interrupted
    v.loop.stop();
    v.loop.run_forever();
    CHECK(v.loop.core().jobs == 0);
    CHECK(token.use_count() == 1);
}

TEST_CASE("the clock is told of jobs that are out") {
    virtual_loop v;
    manual_executor e;
    auto f = v.loop.run_in_executor(e, [] { return 1; });
    v.clock.advance(std::chrono::seconds(1));
    v.loop.call_later(std::chrono::seconds(1), [&] { e.run_all(); });
    CHECK(v.loop.run_until_complete(f) == 1);
    CHECK(v.clock.last_idle.jobs == 1);
}

TEST_CASE("an executor that refuses a job throws at the call and leaves nothing behind") {
    virtual_loop v;
    manual_executor e;
    auto token = std::make_shared<int>();
    auto before = v.loop.run_in_executor(e, [] { return 1; });
    e.refuses = true;
    CHECK_THROWS_AS(v.loop.run_in_executor(e, [token] {}), coroscope::invalid_state_error);
    CHECK(v.loop.core().jobs == 1);
    CHECK(token.use_count() == 1);
    e.refuses = false;
    auto after = v.loop.run_in_executor(e, [] { return 2; });
    e.run_all();
    CHECK(v.loop.run_until_complete(before) == 1);
    CHECK(v.loop.run_until_complete(after) == 2);
    CHECK(v.loop.core().jobs == 0);
}

TEST_CASE("closing a loop abandons its jobs: their futures say so, late results are dropped") {
    manual_executor e;
    auto token = std::make_shared<int>();
    coroscope::future<std::shared_ptr<int>> f;
    bool ran = false;
    {
        virtual_loop v;
        f = v.loop.run_in_executor(e, [token, &ran] {
            ran = true;
            return token;
        });
        v.loop.close();
        CHECK(v.loop.core().jobs == 0);
        CHECK(f.cancelled());
        CHECK_THROWS_AS(f.result(), coroscope::broken_loop_error);
    }
    e.run_all();
    CHECK(ran);
    CHECK(token.use_count() == 1);
}

TEST_CASE("close does not wait for a job that runs; the loop's end does", "[threads]") {
    std::promise<void> started;
    std::promise<void> release;
    std::atomic<bool> ended = false;
    {
        virtual_loop v;
        v.loop.run_in_executor([&] {
            started.set_value();
            release.get_future().wait();
            ended = true;
        });
        started.get_future().wait();
        v.loop.close();
        CHECK_FALSE(ended);
        release.set_value();
    }
    CHECK(ended);
}

TEST_CASE("shutting the default executor down waits for its jobs; then it is made anew",
          "[threads]") {
    virtual_loop v;
    std::atomic<int> ended = 0;
    auto f = v.loop.run_in_executor([&] { ++ended; });
    v.loop.shutdown_default_executor();
    CHECK(ended == 1);
    v.loop.run_until_complete(f);
    v.loop.run_until_complete(v.loop.run_in_executor([&] { ++ended; }));
    CHECK(ended == 2);
}

TEST_CASE("a default executor of one's own is used, and not shut down by the loop") {
    virtual_loop v;
    auto mine = std::make_shared<manual_executor>();
    v.loop.set_default_executor(mine);
    CHECK(&v.loop.default_executor() == mine.get());
    auto f = v.loop.run_in_executor([] { return 3; });
    CHECK(mine->jobs.size() == 1);
    v.loop.shutdown_default_executor();
    mine->run_all();
    CHECK(v.loop.run_until_complete(f) == 3);
    v.loop.set_default_executor(nullptr);
    CHECK(&v.loop.default_executor() != mine.get());
}

TEST_CASE("a thread pool has the threads it was asked for, and refuses jobs after shutdown",
          "[threads]") {
    thread_pool_executor pool(3);
    CHECK(pool.threads() == 3);
    std::atomic<int> ran = 0;
    for (int i = 0; i < 20; ++i) {
        pool.submit([&] { ++ran; });
    }
    pool.shutdown();
    CHECK(ran == 20);
    CHECK_THROWS_AS(pool.submit([] {}), coroscope::invalid_state_error);
    pool.shutdown();
    const thread_pool_executor standard;
    CHECK(standard.threads() >= 1);
    CHECK(standard.threads() <= 32);
}

TEST_CASE("a job submitted while the pool shuts down is either refused or run", "[threads]") {
    for (int round = 0; round < 50; ++round) {
        std::atomic<int> accepted = 0;
        std::atomic<int> ran = 0;
        std::promise<void> begun;
        thread_pool_executor pool(2);
        std::thread submitter([&] {
            begun.set_value();
            try {
                for (int i = 0; i < 1000; ++i) {
                    pool.submit([&] { ++ran; });
                    ++accepted;
                }
            } catch (const coroscope::invalid_state_error&) {}  // NOLINT(bugprone-empty-catch)
        });
        begun.get_future().wait();
        pool.shutdown();
        submitter.join();
        CHECK(ran == accepted);
    }
}
