// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/threads.hpp>

#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <atomic>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

using coroscope::broken_loop_error;
using coroscope::cancelled_error;
using coroscope::coro;
using coroscope::run_coroutine_threadsafe;
using namespace std::chrono_literals;

namespace {

/// A loop that runs in a thread of its own until the test ends.
struct loop_thread {
    loop_thread() : runs([this] { loop.run_forever(); }) {}
    loop_thread(const loop_thread&) = delete;
    loop_thread& operator=(const loop_thread&) = delete;
    ~loop_thread() {
        loop.stop_threadsafe();
        runs.join();
    }
    coroscope::loop loop;
    std::thread runs;
};

coro<int> value(int n) {
    co_await coroscope::yield_now();
    co_return n;
}

/// Says that it began, sleeps for ever, and says that it was cancelled.
coro<int> endless(std::promise<void>& began, std::promise<std::string>& ended) {
    began.set_value();
    try {
        co_await coroscope::sleep_for(coroscope::duration::max());
    } catch (const cancelled_error& e) {
        ended.set_value(e.what());
        throw;
    }
    co_return 0;
}

}  // namespace

TEST_CASE("run_coroutine_threadsafe gives a coroutine's result to another thread", "[waiting]") {
    loop_thread t;
    CHECK(run_coroutine_threadsafe(value(5), t.loop).get() == 5);
    auto where = []() -> coro<std::thread::id> {
        co_return std::this_thread::get_id();
    };
    CHECK(run_coroutine_threadsafe(where(), t.loop).get() == t.runs.get_id());
    auto owner = []() -> coro<std::unique_ptr<int>> {
        co_return std::make_unique<int>(3);
    };
    CHECK(*run_coroutine_threadsafe(owner(), t.loop).get() == 3);
    auto nothing = []() -> coro<> {
        co_return;
    };
    auto f = run_coroutine_threadsafe(nothing(), t.loop);
    f.get();
    CHECK(f.done());
    CHECK_FALSE(f.cancelled());
}

TEST_CASE("run_coroutine_threadsafe gives a coroutine's exception to another thread", "[waiting]") {
    loop_thread t;
    auto thrower = []() -> coro<int> {
        co_await coroscope::yield_now();
        throw std::out_of_range("there");
    };
    CHECK_THROWS_WITH(run_coroutine_threadsafe(thrower(), t.loop).get(), "there");
}

TEST_CASE("cancel of a thread_future ends it at once and cancels the task", "[waiting]") {
    loop_thread t;
    std::promise<void> began;
    std::promise<std::string> ended;
    auto f = run_coroutine_threadsafe(endless(began, ended), t.loop);
    began.get_future().wait();
    CHECK_FALSE(f.wait_for(0s));
    CHECK(f.cancel("enough"));
    CHECK_FALSE(f.cancel());
    CHECK(f.cancelled());
    CHECK_THROWS_WITH(f.get(), "enough");
    CHECK(ended.get_future().get() == "enough");
}

TEST_CASE("a coroutine that is cancelled before its loop runs never begins", "[waiting]") {
    virtual_loop v;
    std::promise<void> began;
    std::promise<std::string> ended;
    auto f = run_coroutine_threadsafe(endless(began, ended), v.loop);
    f.cancel();
    v.loop.run_until_complete(value(1));
    CHECK(all_tasks(v.loop).empty());
    CHECK(began.get_future().wait_for(0s) == std::future_status::timeout);
    CHECK_THROWS_AS(f.get(), cancelled_error);
}

TEST_CASE("a task that is cancelled on its loop gives cancelled_error in the other thread",
          "[waiting]") {
    virtual_loop v;
    std::promise<void> began;
    std::promise<std::string> ended;
    auto f = run_coroutine_threadsafe(endless(began, ended), v.loop);
    v.loop.call_later(1s, [&] { all_tasks(v.loop).back().cancel("here"); });
    v.loop.run_until_complete([]() -> coro<> {
        co_await coroscope::sleep_for(2s);
    }());
    CHECK(f.cancelled());
    CHECK_THROWS_WITH(f.get(), "here");
}

TEST_CASE("a loop that closes breaks the thread_futures of what has not ended", "[waiting]") {
    auto v = std::make_unique<virtual_loop>();
    const bool has_begun = GENERATE(true, false);
    std::promise<void> began;
    std::promise<std::string> ended;
    auto f = run_coroutine_threadsafe(endless(began, ended), v->loop);
    if (has_begun) { v->loop.run_until_complete(value(1)); }
    v.reset();
    CHECK(f.done());
    CHECK_THROWS_AS(f.get(), broken_loop_error);
    CHECK_FALSE(f.cancel());
}

TEST_CASE("run_coroutine_threadsafe refuses a closed loop and a used coro", "[waiting]") {
    virtual_loop v;
    auto used = value(1);
    v.loop.run_until_complete(std::move(used));
    CHECK_THROWS_AS(run_coroutine_threadsafe(std::move(used), v.loop),  // NOLINT: that is the test
                    coroscope::invalid_state_error);
    v.loop.close();
    CHECK_THROWS_AS(run_coroutine_threadsafe(value(1), v.loop), coroscope::invalid_state_error);
}

TEST_CASE("get on the loop's own thread throws instead of waiting for itself", "[waiting]") {
    virtual_loop v;
    auto body = [](coroscope::loop& l) -> coro<int> {
        auto f = run_coroutine_threadsafe(value(4), l);
        std::string text;
        try {
            f.get();
        } catch (const coroscope::invalid_state_error& e) { text = e.what(); }
        while (!f.done()) {
            co_await coroscope::yield_now();
        }
        co_return text.find("wait for itself") != std::string::npos ? f.get() : 0;
    };
    v.clock.waits_for_others = true;
    CHECK(v.loop.run_until_complete(body(v.loop)) == 4);
}

TEST_CASE("what a task factory throws reaches the other thread", "[waiting]") {
    virtual_loop v;
    v.loop.set_task_factory(
        [](coroscope::loop&, coroscope::any_coro, coroscope::task_options&) -> coroscope::any_task {
            throw std::runtime_error("no more tasks");
        });
    auto f = run_coroutine_threadsafe(value(1), v.loop);
    v.loop.call_soon([&] { v.loop.call_later(1s, [&] { v.loop.stop(); }); });
    v.loop.run_forever();
    CHECK_THROWS_WITH(f.get(), "no more tasks");
}

TEST_CASE("cancel_threadsafe cancels a task from another thread", "[waiting]") {
    loop_thread t;
    std::promise<void> began;
    std::promise<std::string> ended;
    coroscope::any_task target;
    auto start = [](std::promise<void>& b, std::promise<std::string>& e,
                    coroscope::any_task& to) -> coro<> {
        to = coroscope::get_running_loop().create_task(endless(b, e));
        co_return;
    };
    run_coroutine_threadsafe(start(began, ended, target), t.loop).get();
    began.get_future().wait();
    coroscope::cancel_threadsafe(target, "from afar");
    CHECK(ended.get_future().get() == "from afar");
    coroscope::cancel_threadsafe(target);  // done: nothing happens
    auto drop = [](coroscope::any_task& to) -> coro<> {
        to = {};
        co_return;
    };
    run_coroutine_threadsafe(drop(target), t.loop).get();
}

TEST_CASE("wrap_future waits for a std::future in the executor", "[waiting]") {
    virtual_loop v;
    auto body = [](std::future<int> f, std::shared_future<std::string> s,
                   std::future<void> n) -> coro<std::string> {
        const int a = co_await coroscope::wrap_future(std::move(f));
        std::string b = co_await coroscope::wrap_future(std::move(s));
        co_await coroscope::wrap_future(std::move(n));
        co_return std::to_string(a) + b;
    };
    std::promise<int> a;
    std::promise<std::string> b;
    std::promise<void> c;
    auto t = v.loop.create_task(body(a.get_future(), b.get_future().share(), c.get_future()));
    std::thread other([&] {
        a.set_value(1);
        b.set_value("x");
        c.set_value();
    });
    CHECK(v.loop.run_until_complete(t) == "1x");
    other.join();
}

TEST_CASE("wrap_future passes exceptions on, and may be abandoned", "[waiting]") {
    virtual_loop v;
    std::promise<int> failing;
    failing.set_exception(std::make_exception_ptr(std::runtime_error("remote")));
    auto body = [](std::future<int> f) -> coro<int> {
        const int n = co_await coroscope::wrap_future(std::move(f));
        co_return n;
    };
    CHECK_THROWS_WITH(v.loop.run_until_complete(body(failing.get_future())), "remote");
    std::promise<int> slow;
    auto t = v.loop.create_task(body(slow.get_future()));
    v.loop.call_soon([&] { v.loop.call_soon([&] { t.cancel("leave"); }); });
    CHECK_THROWS_WITH(v.loop.run_until_complete(t), "leave");
    slow.set_value(1);  // lets the executor's thread go
}
