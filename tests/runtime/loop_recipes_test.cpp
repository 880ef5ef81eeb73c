// SPDX-License-Identifier: Apache-2.0
// The recipes for loops, callbacks and blocking code that users of asyncio know, with the outcomes
// that they know.
#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/executor.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/outcome.hpp>
#include <coroscope/runtime/queue.hpp>
#include <coroscope/runtime/run.hpp>
#include <coroscope/runtime/signal_handlers.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <csignal>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using coroscope::any_task;
using coroscope::coro;
using coroscope::task;
using namespace std::chrono_literals;

namespace {

using lines = std::vector<std::string>;

coro<int> answer_at(coroscope::duration d, int n) {
    co_await coroscope::sleep_for(d);
    co_return n;
}

}  // namespace

TEST_CASE("recipe: the running loop is found inside of it, and nowhere else") {
    virtual_loop v;
    CHECK_THROWS_AS(coroscope::get_running_loop(), std::logic_error);
    coroscope::loop* found = nullptr;
    v.loop.call_soon([&] {
        found = &coroscope::get_running_loop();
        v.loop.stop();
    });
    v.loop.run_forever();
    CHECK(found == &v.loop);
    CHECK_THROWS_AS(coroscope::get_running_loop(), std::logic_error);
}

TEST_CASE("recipe: a new loop changes nothing about the one that runs") {
    coroscope::run([]() -> coro<> {
        auto& running = coroscope::get_running_loop();
        const coroscope::loop another;
        CHECK(&coroscope::get_running_loop() == &running);
        CHECK(another.id() != running.id());
        co_return;
    }());
}

TEST_CASE("recipe: a loop per thread", "[threads]") {
    constexpr std::size_t threads = 10;
    struct seen {
        std::uint32_t loop = 0;
        std::size_t argument = 0;
    };
    std::vector<seen> all(threads);
    std::vector<std::thread> running;
    for (std::size_t i = 0; i < threads; ++i) {
        running.emplace_back([&all, i] {
            coroscope::loop mine;
            auto worker = [](std::size_t argument) -> coro<seen> {
                co_await coroscope::yield_now();
                co_return seen{coroscope::get_running_loop().id(), argument};
            };
            all[i] = mine.run_until_complete(worker(i));
            mine.close();
        });
    }
    for (auto& each : running) {
        each.join();
    }
    std::set<std::uint32_t> loops;
    for (std::size_t i = 0; i < threads; ++i) {
        CHECK(all[i].argument == i);
        loops.insert(all[i].loop);
    }
    CHECK(loops.size() == threads);
}

TEST_CASE("recipe: a loop that was stopped runs again, one that was closed does not") {
    virtual_loop v;
    for (int i = 0; i < 2; ++i) {
        auto work = v.loop.create_task(answer_at(1s, i));
        work.add_done_callback([&](const auto&) { v.loop.stop(); });
        v.loop.run_forever();
        CHECK(work.result() == i);
    }
    CHECK(v.loop.run_until_complete(answer_at(1s, 7)) == 7);
    v.loop.close();
    v.loop.close();
    CHECK_THROWS_AS(v.loop.run_forever(), coroscope::invalid_state_error);
    CHECK(v.clock.elapsed() == 3s);
}

TEST_CASE("recipe: callbacks are called soon, from another thread, later, and at a time") {
    virtual_loop v;
    lines out;
    const auto say = [&out, &v](const char* what) {
        return [&out, &v, what] {
            const auto seconds =
                std::chrono::duration_cast<std::chrono::seconds>(v.clock.elapsed());
            out.push_back(what + std::to_string(seconds.count()));
        };
    };
    v.loop.call_soon(say("soon "));
    v.loop.call_soon_threadsafe(say("threadsafe "));
    v.loop.call_later(1s, say("later "));
    v.loop.call_at(v.loop.time() + 1s, say("at "));
    v.loop.call_later(1s, [&] { v.loop.stop(); });
    v.loop.run_forever();
    std::sort(out.begin(), out.begin() + 2);  // which of these is first is not promised
    CHECK(out == lines{"soon 0", "threadsafe 0", "later 1", "at 1"});
}

TEST_CASE("recipe: ten coroutines work at once, and are gathered") {
    virtual_loop v;
    lines out;
    auto work = [](lines& to, int i) -> coro<> {
        co_await coroscope::sleep_for(std::chrono::seconds(i / 2));  // ties go in the order given
        to.push_back("Concurrent work " + std::to_string(i));
    };
    auto main = [](lines& to, auto part) -> coro<> {
        std::vector<coro<>> all;
        for (int i = 0; i < 10; ++i) {
            all.push_back(part(to, i));
        }
        auto both = coroscope::gather(std::move(all));
        co_await std::move(both);
    };
    v.loop.run_until_complete(main(out, work));
    REQUIRE(out.size() == 10);
    for (int i = 0; i < 10; ++i) {
        CHECK(out[static_cast<std::size_t>(i)] == "Concurrent work " + std::to_string(i));
    }
    CHECK(v.clock.elapsed() == 4s);
}

TEST_CASE("recipe: a scheduler waits for the thousand tasks it was given, and for these only") {
    struct scheduler {
        void schedule(coro<> work) {
            pending.put_nowait(0);
            auto started = coroscope::get_running_loop().create_task(std::move(work));
            started.add_done_callback([this](const auto&) { pending.task_done(); });
        }
        coroscope::queue<int> pending;
    };
    scheduler s;
    virtual_loop v;
    int done = 0;
    auto work = [](int& count) -> coro<> {
        co_await coroscope::sleep_for(1s);
        ++count;
    };
    auto main = [](scheduler& to, int& count, auto part) -> coro<bool> {
        auto other = coroscope::get_running_loop().create_task(answer_at(1h, 1));
        for (int i = 0; i < 1000; ++i) {
            to.schedule(part(count));
        }
        co_await to.pending.join();
        const bool other_waits = !other.done();
        other.cancel();
        co_return other_waits;
    };
    CHECK(v.loop.run_until_complete(main(s, done, work)));
    CHECK(done == 1000);
    CHECK(v.clock.elapsed() == 1s);
}

TEST_CASE("recipe: blocking requests run in ten threads, and failures are skipped", "[threads]") {
    const auto get = [](int page) -> std::string {
        if (page % 3 == 0) { throw std::runtime_error("no such page"); }
        return "page " + std::to_string(page);
    };
    auto main = [](auto request) -> coro<lines> {
        auto& loop = coroscope::get_running_loop();
        loop.set_default_executor(std::make_shared<coroscope::thread_pool_executor>(10));
        auto once = loop.run_in_executor([request] { return request(1); });
        const auto first = co_await once;
        std::vector<coroscope::future<std::string>> all;
        for (int page = 0; page < 10; ++page) {
            all.push_back(loop.run_in_executor([request, page] { return request(page); }));
        }
        lines bodies{first};
        for (auto& each : all) {
            try {
                bodies.push_back(co_await each);
            } catch (const std::runtime_error&) {  // NOLINT(bugprone-empty-catch)
                // A failure is skipped.
            }
        }
        co_return bodies;
    };
    const auto bodies = coroscope::run(main(get));
    CHECK(bodies == lines{"page 1", "page 1", "page 2", "page 4", "page 5", "page 7", "page 8"});
}

TEST_CASE("recipe: a coroutine makes sure that it runs on the loop it was made for") {
    virtual_loop mine;
    virtual_loop another;
    auto on = [](coroscope::loop& expected) -> coro<bool> {
        co_return &coroscope::get_running_loop() == &expected;
    };
    CHECK(mine.loop.run_until_complete(on(mine.loop)));
    CHECK_FALSE(another.loop.run_until_complete(on(mine.loop)));
}

TEST_CASE("recipe: the end of ten tasks stops the loop, and then it is closed") {
    virtual_loop v;
    auto main = []() -> coro<int> {
        std::vector<task<int>> ten;
        for (int i = 0; i < 10; ++i) {
            ten.push_back(coroscope::get_running_loop().create_task(answer_at(1s, i)));
        }
        int sum = 0;
        for (auto& each : ten) {
            sum += co_await each;
        }
        co_return sum;
    };
    auto all = v.loop.create_task(main());
    all.add_done_callback([&](const auto&) { v.loop.stop_threadsafe(); });
    v.clock.waits_for_others = true;
    v.loop.run_forever();
    CHECK(all.result() == 45);
    v.loop.run_until_complete(v.loop.shutdown_generators());
    v.loop.close();
    CHECK(v.loop.is_closed());
}

TEST_CASE("recipe: a signal's handler says its name and stops the loop", "[serial]") {
    for (const int number : {SIGINT, SIGTERM}) {
        coroscope::loop loop;
        std::string said;
        coroscope::add_signal_handler(loop, number, [&] {
            said =
                std::string("Stopped loop because of ") + (number == SIGINT ? "SIGINT" : "SIGTERM");
            loop.stop();
        });
        loop.call_soon([number] { ::raise(number); });
        loop.run_forever();
        CHECK(said
              == (number == SIGINT ? "Stopped loop because of SIGINT"
                                   : "Stopped loop because of SIGTERM"));
        loop.close();
        CHECK_THROWS_AS(coroscope::add_signal_handler(loop, number, [] {}),
                        coroscope::invalid_state_error);
    }
}

TEST_CASE(
    "recipe: awaiting runs one thing after the other; a task that is awaited later runs beside") {
    virtual_loop v;
    auto one_by_one = []() -> coro<> {
        const auto n = co_await answer_at(3s, 1);
        CHECK(n == 1);
    };
    v.loop.run_until_complete(one_by_one());
    CHECK(v.clock.elapsed() == 3s);
    auto beside = []() -> coro<> {
        auto begun = coroscope::get_running_loop().create_task(answer_at(1s, 2));
        co_await coroscope::sleep_for(1s);
        const auto n = co_await begun;
        CHECK(n == 2);
    };
    v.loop.run_until_complete(beside());
    CHECK(v.clock.elapsed() == 4s);
}
