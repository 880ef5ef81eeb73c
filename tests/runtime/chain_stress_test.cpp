// SPDX-License-Identifier: Apache-2.0
// A million of everything: nothing may use stack in proportion. So it runs in a thread with little
// of it; which also keeps the address sanitizer's fake stack small, that is searched at each throw.
#include <coroscope/runtime/coro.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/future.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/runtime/task.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include <pthread.h>

using coroscope::coro;
using coroscope::task;

namespace {

constexpr int million = 1'000'000;

coro<int> nest(int depth) {
    if (depth == 0) { co_return 0; }
    const int below = co_await nest(depth - 1);
    co_return below + 1;
}

coro<int> nest_and_yield(int depth) {
    if (depth == 0) {
        co_await coroscope::yield_now();
        co_return 0;
    }
    const int below = co_await nest_and_yield(depth - 1);
    co_return below + 1;
}

coro<int> nest_and_throw(int depth) {
    if (depth == 0) { throw std::runtime_error("leaf"); }
    const int below = co_await nest_and_throw(depth - 1);
    co_return below + 1;
}

coro<> nest_and_wait(int depth, coroscope::future<> gate, std::shared_ptr<int> token) {
    if (depth == 0) {
        co_await gate;
        co_return;
    }
    co_await nest_and_wait(depth - 1, gate, token);
}

coro<> await_task(task<> next) {
    co_await next;
}

coro<> await_gate(coroscope::future<> gate, int& woken) {
    co_await gate;
    ++woken;
}

/// A million tasks, each awaiting the one made before it; the first awaits the gate.
task<> chain_of_tasks(coroscope::loop& l, const coroscope::future<>& gate, int& woken) {
    auto last = l.create_task(await_gate(gate, woken));
    for (int i = 1; i < million; ++i) {
        last = l.create_task(await_task(std::move(last)));
    }
    return last;
}

void on_small_stack(std::function<void()> body) {
    struct state {
        std::function<void()> body;
        std::exception_ptr thrown;
    } run{std::move(body), nullptr};
    const auto entry = [](void* argument) -> void* {
        auto& in = *static_cast<state*>(argument);
        try {
            in.body();
        } catch (...) { in.thrown = std::current_exception(); }
        return nullptr;
    };
    pthread_attr_t attributes;
    REQUIRE(pthread_attr_init(&attributes) == 0);
    REQUIRE(pthread_attr_setstacksize(&attributes, std::size_t{256} * 1024) == 0);
    pthread_t thread{};
    // Catch's macros are for one thread at a time: none here until the thread is gone.
    const bool is_started = pthread_create(&thread, &attributes, entry, &run) == 0;
    if (is_started) { pthread_join(thread, nullptr); }
    REQUIRE(is_started);
    pthread_attr_destroy(&attributes);
    if (run.thrown != nullptr) { std::rethrow_exception(run.thrown); }
}

}  // namespace

TEST_CASE("a million nested awaits complete", "[stress]") {
    on_small_stack([] {
        virtual_loop v;
        CHECK(v.loop.run_until_complete(nest(million)) == million);
    });
}

TEST_CASE("a million nested awaits complete after their leaf suspended", "[stress]") {
    on_small_stack([] {
        virtual_loop v;
        CHECK(v.loop.run_until_complete(nest_and_yield(million)) == million);
    });
}

TEST_CASE("an exception passes through a million nested awaits", "[stress]") {
    on_small_stack([] {
        virtual_loop v;
        CHECK_THROWS_AS(v.loop.run_until_complete(nest_and_throw(million)), std::runtime_error);
    });
}

TEST_CASE("a million nested awaits are destroyed while suspended", "[stress]") {
    on_small_stack([] {
        auto token = std::make_shared<int>(0);
        {
            virtual_loop v;
            auto gate = v.loop.create_future<>();
            auto t = v.loop.create_task(nest_and_wait(million, gate, token));
            v.loop.stop();
            v.loop.run_forever();
            CHECK(token.use_count() == million + 2);
            v.loop.close();
            CHECK(token.use_count() == 1);
            CHECK(t.cancelled());
        }
    });
}

TEST_CASE("a million nested awaits are cancelled at their leaf", "[stress]") {
    on_small_stack([] {
        auto token = std::make_shared<int>(0);
        virtual_loop v;
        auto gate = v.loop.create_future<>();
        auto t = v.loop.create_task(nest_and_wait(million, gate, token));
        v.loop.stop();
        v.loop.run_forever();
        CHECK(t.cancel());
        CHECK_THROWS_AS(v.loop.run_until_complete(t), coroscope::cancelled_error);
        CHECK(gate.cancelled());
        CHECK(token.use_count() == 1);
    });
}

TEST_CASE("a million awaits that complete synchronously run in one loop", "[stress]") {
    on_small_stack([] {
        virtual_loop v;
        auto one = []() -> coro<int> {
            co_return 1;
        };
        auto add = [](coro<int> (*what)()) -> coro<int> {
            int sum = 0;
            for (int i = 0; i < million; ++i) {
                const int n = co_await what();
                sum += n;
            }
            co_return sum;
        };
        CHECK(v.loop.run_until_complete(add(+one)) == million);
        CHECK(v.loop.statistics().steps == 1);
    });
}

TEST_CASE("a million suspended tasks are woken and joined", "[stress]") {
    on_small_stack([] {
        virtual_loop v;
        int woken = 0;
        auto all = [](coroscope::loop& l, int& count) -> coro<> {
            auto gate = l.create_future<>();
            std::vector<task<>> tasks;
            tasks.reserve(million);
            for (int i = 0; i < million; ++i) {
                tasks.push_back(l.create_task(await_gate(gate, count)));
            }
            co_await coroscope::yield_now();
            gate.set_result();
            for (auto& t : tasks) {
                co_await t;
            }
        };
        v.loop.run_until_complete(all(v.loop, woken));
        CHECK(woken == million);
        CHECK(v.loop.statistics().tasks <= 1);
    });
}

TEST_CASE("a chain of a million tasks completes from its end", "[stress]") {
    on_small_stack([] {
        virtual_loop v;
        int woken = 0;
        auto gate = v.loop.create_future<>();
        auto last = chain_of_tasks(v.loop, gate, woken);
        v.loop.call_later(std::chrono::seconds(1), [gate]() mutable { gate.set_result(); });
        v.loop.run_until_complete(last);
        CHECK(woken == 1);
    });
}

TEST_CASE("cancelling a chain of a million tasks cancels each of them", "[stress]") {
    on_small_stack([] {
        virtual_loop v;
        int woken = 0;
        auto gate = v.loop.create_future<>();
        auto last = chain_of_tasks(v.loop, gate, woken);
        v.loop.call_later(std::chrono::seconds(1), [last]() mutable { last.cancel(); });
        CHECK_THROWS_AS(v.loop.run_until_complete(last), coroscope::cancelled_error);
        CHECK(gate.cancelled());
        CHECK(woken == 0);
        CHECK(all_tasks(v.loop).empty());
    });
}

TEST_CASE("closing a loop destroys a chain of a million tasks", "[stress]") {
    on_small_stack([] {
        virtual_loop v;
        int woken = 0;
        int reports = 0;
        v.loop.set_exception_handler([&](coroscope::loop&, const auto&) { ++reports; });
        auto last = chain_of_tasks(v.loop, v.loop.create_future<>(), woken);
        v.loop.stop();
        v.loop.run_forever();
        v.loop.close();
        CHECK(last.cancelled());
        CHECK(reports == million);
        CHECK(woken == 0);
    });
}
