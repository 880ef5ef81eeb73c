// SPDX-License-Identifier: Apache-2.0
// Executor threads and the loop. What the tests' threads do is in order, by means that the detector
// does not know.
#include <coroscope/instrumentation/races/watched_mutex.hpp>

#include <coroscope/instrumentation/races/shared.hpp>
#include <coroscope/runtime/executor.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "instrumentation/races/raced_loop.hpp"
#include "support/catch.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <latch>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

using namespace coroscope;
using namespace coroscope::instrumentation;

namespace {

using number = shared<int>;
using job_function = std::function<void()>;

/// Gives both to the pool, and waits for both.
coro<> run_both(executor& pool, job_function one, job_function two) {
    auto first = get_running_loop().run_in_executor(pool, std::move(one));
    auto second = get_running_loop().run_in_executor(pool, std::move(two));
    co_await first;
    co_await second;
}

/// A loop that waits for threads.
struct threaded_loop : raced_loop {
    explicit threaded_loop(std::size_t threads = 2) : pool(threads) {
        v.clock.waits_for_others = true;
    }
    thread_pool_executor pool;
};

/// One after another, in the order of their numbers.
class turns {
public:
    template <class Work>
    void take(int which, const Work& work) {
        for (auto now = next_.load(); now != which; now = next_.load()) {
            next_.wait(now);
        }
        work();
        next_.store(which + 1);
        next_.notify_all();
    }

private:
    std::atomic<int> next_{0};
};

/// All of them read before the first writes.
coro<> add_in_a_crowd(executor& pool, number& x, watched_mutex& m, int crowd) {
    turns in_turn;
    const auto add = [&](int which) {
        int before = 0;
        in_turn.take(which, [&] {
            const std::scoped_lock lock(m);
            before = x.get();
        });
        in_turn.take(crowd + which, [&] {
            const std::scoped_lock lock(m);
            x.set(before + 1);
        });
    };
    std::vector<future<void>> jobs;
    for (int i = 0; i < crowd; ++i) {
        jobs.push_back(get_running_loop().run_in_executor(pool, [&add, i] { add(i); }));
    }
    for (auto& each : jobs) {
        co_await each;
    }
}

}  // namespace

TEST_CASE("two jobs that write one variable are a race", "[threads]") {
    threaded_loop v;
    number x(0, "x");
    std::latch written(1);
    v.start(run_both(
                v.pool,
                [&] {
                    x.set(1);
                    written.count_down();
                },
                [&] {
                    written.wait();
                    x.set(2);
                }),
            "main");
    v.run();
    REQUIRE(v.rules() == rule_list{"thread-race"});
    const auto found = v.races.findings()[0];
    CHECK(found.message.find("job 1 (of task 1 (main))") != std::string::npos);
    CHECK(v.races.candidates().empty());
}

TEST_CASE("under one mutex they are not", "[threads]") {
    threaded_loop v;
    number x(0, "x");
    watched_mutex m;
    std::latch written(1);
    v.start(run_both(
                v.pool,
                [&] {
                    const std::scoped_lock lock(m);
                    x.set(x.get() + 1);
                    written.count_down();
                },
                [&] {
                    written.wait();
                    const std::scoped_lock lock(m);
                    x.set(x.get() + 1);
                }),
            "main");
    v.run();
    CHECK(v.rules().empty());
    CHECK(x.peek() == 2);
}

TEST_CASE("of forty jobs that read before the first of them writes, some are remembered",
          "[threads]") {
    constexpr int crowd = 40;
    threaded_loop v(crowd);
    number x(0, "x");
    watched_mutex m;
    v.start(add_in_a_crowd(v.pool, x, m, crowd), "main");
    v.run();
    CHECK(x.peek() == 1);
    CHECK(v.rules() == rule_list{"stale-write"});
}

TEST_CASE("an update in two locked parts loses another thread's", "[threads]") {
    threaded_loop v;
    number x(0, "x");
    watched_mutex m;
    std::latch read(1);
    std::latch written(1);
    const auto add_in_parts = [&] {
        int before = 0;
        {
            const std::scoped_lock lock(m);
            before = x.get();
        }
        read.count_down();
        written.wait();
        const std::scoped_lock lock(m);
        x.set(before + 1);
    };
    const auto add = [&] {
        read.wait();
        {
            const std::scoped_lock lock(m);
            x.set(x.get() + 1);
        }
        written.count_down();
    };
    v.start(run_both(v.pool, add_in_parts, add), "main");
    v.run();
    REQUIRE(v.rules() == rule_list{"stale-write"});
    CHECK(v.races.findings()[0].message.find("and later wrote") != std::string::npos);
    CHECK(x.peek() == 1);
}

TEST_CASE("the loop comes after a job whose result it has, and not before", "[threads]") {
    threaded_loop v;
    number x(0, "x");
    std::latch written(1);
    auto body = [](executor& pool, number& n, std::latch& done, bool waits) -> coro<> {
        n.set(1);
        auto job = get_running_loop().run_in_executor(pool, [&] {
            n.set(2);
            done.count_down();
        });
        if (waits) { co_await job; }
        done.wait();
        n.set(3);
        if (!waits) { co_await job; }
    };
    const bool waits = GENERATE(true, false);
    v.start(body(v.pool, x, written, waits), "main");
    v.run();
    CHECK(v.rules() == (waits ? rule_list{} : rule_list{"thread-race"}));
}

TEST_CASE("what the loop writes is computed from what it had read before a job wrote",
          "[threads]") {
    threaded_loop v;
    number x(0, "x");
    watched_mutex m;
    std::latch written(1);
    auto body = [](executor& pool, number& n, watched_mutex& lock, std::latch& done) -> coro<> {
        auto job = get_running_loop().run_in_executor(pool, [&] {
            {
                const std::scoped_lock held(lock);
                n.set(n.get() + 1);
            }
            done.count_down();
        });
        int before = 0;
        {
            const std::scoped_lock held(lock);
            before = n.get();
        }
        done.wait();
        {
            const std::scoped_lock held(lock);
            n.set(before + 1);
        }
        co_await job;
    };
    v.start(body(v.pool, x, m, written), "main");
    v.run();
    CHECK(v.rules() == rule_list{"stale-write"});
}

TEST_CASE("a job and a callback of the same number are two", "[threads]") {
    threaded_loop v;
    number x(0, "x");
    std::latch written(1);
    std::uint64_t callback = 0;
    const auto handle = v.v.loop.call_soon([&] {
        callback = v.v.loop.core().callback->id;
        for (std::uint64_t i = 1; i < callback; ++i) {  // jobs of smaller numbers
            static_cast<void>(v.v.loop.run_in_executor(v.pool, [] {}));
        }
        auto job = v.v.loop.run_in_executor(v.pool, [&] {
            x.set(1);
            written.count_down();
        });
        written.wait();
        x.set(2);
        v.v.loop.stop();
    });
    v.v.loop.run_forever();
    v.pool.shutdown();
    REQUIRE(callback > 0);
    CHECK(v.rules() == rule_list{"thread-race"});
    const auto number_of_job = "job " + std::to_string(callback) + " ";
    CHECK(v.races.findings()[0].message.find(number_of_job) != std::string::npos);
}

namespace {

constexpr unsigned body_of_writing_twice = __LINE__;
coro<> write_twice(std::unique_ptr<number>& x, executor& pool) {
    x->set(1);
    x->set(2);
    co_await get_running_loop().run_in_executor(pool, [&] { x = nullptr; });
}
coro<> add_across(number& x) {
    const int old = x.get();
    co_await yield_now();
    x.set(old + 1);
}

}  // namespace

TEST_CASE("of a variable that a job destroys nothing is read afterwards", "[threads]") {
    threaded_loop v;
    auto x = std::make_unique<number>(0, "x");
    v.start(add_across(*x), "adds");
    auto later = [](std::unique_ptr<number>& n, executor& pool) -> coro<> {
        co_await yield_now();
        co_await yield_now();
        co_await write_twice(n, pool);
    };
    v.start(later(x, v.pool), "writes");
    v.run();
    REQUIRE(v.rules() == rule_list{"stale-write"});
    const auto last_line = "watched_mutex_test.cpp:" + std::to_string(body_of_writing_twice + 3);
    CHECK(v.races.findings()[0].message.find(last_line) != std::string::npos);
}
