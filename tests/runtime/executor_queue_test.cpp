// SPDX-License-Identifier: Apache-2.0
// Queued jobs: how many there may be, how they are taken back, what shutdown does to them.
#include <coroscope/runtime/executor.hpp>

#include <coroscope/runtime/context_var.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/threads.hpp>

#include "runtime/settling.hpp"
#include "runtime/stream_pair.hpp"
#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <array>
#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <pthread.h>

using coroscope::coro;
using coroscope::serial_executor;
using coroscope::thread_pool_executor;
using coroscope::thread_pool_options;
using stream_pair::contains;

namespace {

/// A pool of one thread that is busy until it is let go.
struct busy_pool {
    explicit busy_pool(std::size_t max_queued = 0) : pool(with(max_queued)) {
        std::promise<void> begun;
        pool.submit([this, &begun] {
            begun.set_value();
            released.get_future().wait();
        });
        begun.get_future().wait();
    }
    void release() { released.set_value(); }
    static thread_pool_options with(std::size_t max_queued) {
        thread_pool_options options;
        options.threads = 1;
        options.max_queued = max_queued;
        options.name = "busy";
        return options;
    }
    std::promise<void> released;
    thread_pool_executor pool;
};

}  // namespace

TEST_CASE("a queued job whose task is cancelled never runs and is gone at once", "[threads]") {
    virtual_loop v;
    busy_pool busy;
    auto token = std::make_shared<int>();
    std::atomic<bool> ran = false;
    auto body = [](coroscope::loop& l, thread_pool_executor& in, std::shared_ptr<int> t,
                   std::atomic<bool>& flag) -> coro<> {
        auto job = [t = std::move(t), &flag] {
            flag = true;
        };
        co_await l.run_in_executor(in, std::move(job));
    };
    auto t = v.loop.create_task(body(v.loop, busy.pool, token, ran));
    settle(v.loop);
    CHECK(busy.pool.queued() == 1);
    t.cancel();
    CHECK_THROWS_AS(v.loop.run_until_complete(t), coroscope::cancelled_error);
    CHECK(busy.pool.queued() == 0);
    settle(v.loop);
    CHECK(v.loop.core().jobs == 0);
    CHECK(token.use_count() == 1);
    busy.release();
    busy.pool.shutdown();
    CHECK_FALSE(ran);
}

TEST_CASE("a job that has begun goes on when it is cancelled, and its result is dropped",
          "[threads]") {
    virtual_loop v;
    std::promise<void> begun;
    std::promise<void> released;
    std::atomic<bool> ended = false;
    auto f = v.loop.run_in_executor([&] {
        begun.set_value();
        released.get_future().wait();
        ended = true;
        return 1;
    });
    begun.get_future().wait();
    CHECK(f.cancel());
    CHECK(v.loop.core().jobs == 1);
    released.set_value();
    v.loop.shutdown_default_executor();
    CHECK(ended);
    settle(v.loop);
    CHECK(v.loop.core().jobs == 0);
    CHECK(f.cancelled());
}

TEST_CASE("a full pool refuses jobs, and leaves nothing of them behind", "[threads]") {
    virtual_loop v;
    busy_pool busy(2);
    auto first = v.loop.run_in_executor(busy.pool, [] { return 1; });
    auto second = v.loop.run_in_executor(busy.pool, [] { return 2; });
    auto token = std::make_shared<int>();
    std::string message;
    try {
        v.loop.run_in_executor(busy.pool, [token] {});
    } catch (const coroscope::queue_full& e) { message = e.what(); }
    CHECK(contains(message, "'busy' has 2 jobs waiting"));
    CHECK(token.use_count() == 1);
    CHECK(v.loop.core().jobs == 2);
    second.cancel();
    auto third = v.loop.run_in_executor(busy.pool, [] { return 3; });
    busy.release();
    CHECK(v.loop.run_until_complete(first) == 1);
    CHECK(v.loop.run_until_complete(third) == 3);
}

TEST_CASE("tasks wait for room in their order, and a cancelled one passes its turn on",
          "[threads]") {
    virtual_loop v;
    v.clock.waits_for_others = true;
    busy_pool busy(1);
    std::vector<int> order;
    auto body = [](coroscope::loop& l, thread_pool_executor& in, std::vector<int>& log,
                   int n) -> coro<> {
        co_await in.wait_for_room();
        log.push_back(n);
        co_await l.run_in_executor(in, [] {});
    };
    std::vector<coroscope::task<>> tasks;
    for (int i = 0; i < 6; ++i) {
        tasks.push_back(v.loop.create_task(body(v.loop, busy.pool, order, i)));
    }
    settle(v.loop);
    CHECK(order == std::vector<int>{0});
    tasks[1].cancel();
    tasks[4].cancel();
    busy.release();
    for (const int i : {0, 2, 3, 5}) {
        v.loop.run_until_complete(tasks[static_cast<std::size_t>(i)]);
    }
    CHECK(order == std::vector<int>{0, 2, 3, 5});
    CHECK(tasks[1].cancelled());
}

TEST_CASE("one that waited for room and submits nothing keeps nobody waiting", "[threads]") {
    virtual_loop v;
    v.clock.waits_for_others = true;
    busy_pool busy(1);
    auto queued = v.loop.run_in_executor(busy.pool, [] {});
    auto body = [](thread_pool_executor& in) -> coro<> {
        co_await in.wait_for_room();
    };
    std::vector<coroscope::task<>> tasks;
    for (int i = 0; i < 4; ++i) {
        tasks.push_back(v.loop.create_task(body(busy.pool)));
    }
    settle(v.loop);
    CHECK_FALSE(tasks[0].done());
    busy.release();
    for (auto& t : tasks) {
        v.loop.run_until_complete(t);
    }
    v.loop.run_until_complete(queued);
}

TEST_CASE("shutdown wakes those who wait for room with an error", "[threads]") {
    virtual_loop v;
    v.clock.waits_for_others = true;
    busy_pool busy(1);
    busy.pool.submit([] {});
    auto t = v.loop.create_task(busy.pool.wait_for_room());
    settle(v.loop);
    busy.release();
    busy.pool.shutdown();
    CHECK_THROWS_AS(v.loop.run_until_complete(t), coroscope::invalid_state_error);
}

TEST_CASE("shutdown runs what is queued, or cancels it", "[threads]") {
    virtual_loop v;
    busy_pool busy;
    std::atomic<int> ran = 0;
    auto first = v.loop.run_in_executor(busy.pool, [&] { ++ran; });
    auto second = v.loop.run_in_executor(busy.pool, [&] { ++ran; });
    std::thread releasing([&] {
        while (busy.pool.queued() != 0) {
            std::this_thread::yield();  // until shutdown has taken them
        }
        busy.release();
    });
    busy.pool.shutdown(thread_pool_executor::pending_jobs::cancel);
    releasing.join();
    CHECK(ran == 0);
    CHECK_THROWS_AS(v.loop.run_until_complete(first), coroscope::cancelled_error);
    CHECK_THROWS_AS(v.loop.run_until_complete(second), coroscope::cancelled_error);
    CHECK(v.loop.core().jobs == 0);

    busy_pool other;
    auto third = v.loop.run_in_executor(other.pool, [&] { ++ran; });
    other.release();
    other.pool.shutdown();
    CHECK(ran == 1);
    v.loop.run_until_complete(third);
}

TEST_CASE("an executor that drops a job silently is told apart from one that takes it") {
    class dropping final : public coroscope::executor {
    public:
        void submit(coroscope::detail::callback) override {}
    };
    virtual_loop v;
    dropping e;
    auto token = std::make_shared<int>();
    CHECK_THROWS_AS(v.loop.run_in_executor(e, [token] {}), coroscope::invalid_state_error);
    CHECK(token.use_count() == 1);
    CHECK(v.loop.core().jobs == 0);
}

TEST_CASE("threads have names, as far as the kernel keeps them", "[threads]") {
    virtual_loop v;
    thread_pool_options options;
    options.threads = 8;
    options.name = "a rather long name";
    thread_pool_executor pool(options);
    CHECK(pool.threads() == 8);
    auto name = [] {
        std::array<char, 16> buffer{};
        ::pthread_getname_np(::pthread_self(), buffer.data(), buffer.size());
        return std::string(buffer.data());
    };
    CHECK(v.loop.run_until_complete(v.loop.run_in_executor(pool, name)) == "a rather long-1");
}

TEST_CASE("to_thread calls with arguments, in a copy of the context", "[threads]") {
    static const coroscope::context_var<std::string> user("user", "nobody");
    virtual_loop v;
    auto body = []() -> coro<std::string> {
        auto token = user.set("ada");
        auto greet = [](const std::string& word, std::unique_ptr<int> n) {
            auto text = word + " " + user.get() + " " + std::to_string(*n);
            user.set("changed there");
            return text;
        };
        auto n = std::make_unique<int>(3);
        auto text = co_await coroscope::to_thread(greet, std::string("hello"), std::move(n));
        CHECK(user.get() == "ada");
        user.reset(std::move(token));
        co_return text;
    };
    CHECK(v.loop.run_until_complete(body()) == "hello ada 3");
    auto failing = []() -> coro<> {
        auto fail = [] {
            throw std::out_of_range("there");
        };
        co_await coroscope::to_thread(fail);
    };
    CHECK_THROWS_AS(v.loop.run_until_complete(failing()), std::out_of_range);
}

TEST_CASE("a serial executor runs its jobs one at a time and in order", "[threads]") {
    virtual_loop v;
    serial_executor serial;
    std::vector<int> order;  // no lock: that is the point
    std::vector<coroscope::future<>> jobs;
    for (int i = 0; i < 200; ++i) {
        auto job = [&order, i] {
            order.push_back(i);
        };
        auto submit = [&] {
            jobs.push_back(v.loop.run_in_executor(serial, std::move(job)));
        };
        v.loop.call_soon(submit);
        settle(v.loop);
    }
    for (auto& f : jobs) {
        v.loop.run_until_complete(f);
    }
    REQUIRE(order.size() == 200);
    for (int i = 0; i < 200; ++i) {
        CHECK(order[static_cast<std::size_t>(i)] == i);
    }
}

TEST_CASE("a serial executor gives back what has not begun, and is dropped with its pool",
          "[threads]") {
    virtual_loop v;
    busy_pool busy;
    serial_executor serial(busy.pool);
    std::atomic<int> ran = 0;
    auto first = v.loop.run_in_executor(serial, [&] { ++ran; });
    auto second = v.loop.run_in_executor(serial, [&] { ++ran; });
    auto third = v.loop.run_in_executor(serial, [&] { ++ran; });
    CHECK(busy.pool.queued() == 1);
    second.cancel();
    std::thread releasing([&] {
        while (busy.pool.queued() != 0) {
            std::this_thread::yield();
        }
        busy.release();
    });
    busy.pool.shutdown(thread_pool_executor::pending_jobs::cancel);
    releasing.join();
    CHECK_THROWS_AS(v.loop.run_until_complete(first), coroscope::cancelled_error);
    CHECK_THROWS_AS(v.loop.run_until_complete(third), coroscope::cancelled_error);
    CHECK(ran == 0);
    settle(v.loop);
    CHECK(v.loop.core().jobs == 0);
    CHECK_THROWS_AS(v.loop.run_in_executor(serial, [] {}), coroscope::invalid_state_error);
}

TEST_CASE("a serial executor that finds no executor refuses the job and takes the next",
          "[threads]") {
    virtual_loop v;
    serial_executor serial;
    CHECK_THROWS_AS(v.loop.run_in_executor(serial, [] {}), std::logic_error);  // no running loop
    CHECK(v.loop.core().jobs == 0);
    coroscope::future<int> answer;
    v.loop.call_soon([&] { answer = v.loop.run_in_executor(serial, [] { return 42; }); });
    settle(v.loop);
    CHECK(v.loop.run_until_complete(answer) == 42);
}
