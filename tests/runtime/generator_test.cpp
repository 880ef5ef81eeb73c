// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/generator.hpp>

#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/run.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using coroscope::async_generator;
using coroscope::coro;
using coroscope::generator_exit;
using coroscope::sleep_for;
using namespace std::chrono_literals;

namespace {

using lines = std::vector<std::string>;

async_generator<int> count_to(int end) {
    for (int i = 1; i <= end; ++i) {
        co_await sleep_for(1s);
        co_yield i;
    }
}

async_generator<int> at_once(int end) {
    for (int i = 1; i <= end; ++i) {
        co_yield i;
    }
}

/// Yields for ever; says how it ends, and takes a second over it.
async_generator<int> with_cleanup(lines& said) {
    std::exception_ptr why;
    try {
        for (int i = 1;; ++i) {
            co_yield i;
        }
    } catch (const generator_exit&) {
        said.emplace_back("exit");
        why = std::current_exception();
    } catch (const std::exception& e) {
        said.emplace_back(e.what());
        why = std::current_exception();
    }
    co_await sleep_for(1s);
    said.emplace_back("cleaned up");
    std::rethrow_exception(why);
}

coro<std::vector<int>> all_of(async_generator<int> source) {
    std::vector<int> all;
    for (;;) {
        const auto item = co_await source.next();
        if (!item) { break; }
        all.push_back(*item);
    }
    co_return all;
}

/// The running sum of what it is sent.
async_generator<int, int> adder() {
    int sum = 0;
    for (;;) {
        const std::optional<int> got = co_yield sum;
        sum += got.value_or(1000);
    }
}

}  // namespace

TEST_CASE("a generator yields its values in order, awaiting in between", "[generator]") {
    virtual_loop v;
    CHECK(v.loop.run_until_complete(all_of(count_to(3))) == std::vector{1, 2, 3});
    CHECK(v.clock.elapsed() == 3s);
    CHECK(v.loop.run_until_complete(all_of(at_once(0))).empty());
}

TEST_CASE("nothing of a generator runs before its first value is asked for", "[generator]") {
    virtual_loop v;
    bool ran = false;
    auto make = [](bool& flag) -> async_generator<int> {
        flag = true;
        co_yield 1;
    };
    {
        auto unused = make(ran);
        CHECK_FALSE(unused.finished());
    }
    CHECK_FALSE(ran);
}

TEST_CASE("a generator that has ended gives nothing, again and again", "[generator]") {
    virtual_loop v;
    auto body = []() -> coro<int> {
        auto source = at_once(1);
        co_await source.next();
        int ends = 0;
        for (int i = 0; i < 3; ++i) {
            const auto item = co_await source.next();
            ends += item.has_value() ? 0 : 1;
        }
        co_await source.aclose();
        co_return ends + (source.finished() ? 10 : 0);
    };
    CHECK(v.loop.run_until_complete(body()) == 13);
}

TEST_CASE("an exception that leaves a generator's body is thrown once and ends it", "[generator]") {
    virtual_loop v;
    auto failing = []() -> async_generator<int> {
        co_yield 1;
        throw std::runtime_error("no more");
    };
    auto body = [](async_generator<int> source) -> coro<std::string> {
        co_await source.next();
        std::string text;
        try {
            co_await source.next();
        } catch (const std::runtime_error& e) { text = e.what(); }
        const auto after = co_await source.next();
        co_return text + (after.has_value() ? " and more" : "");
    };
    CHECK(v.loop.run_until_complete(body(failing())) == "no more");
}

TEST_CASE("values may be move-only", "[generator]") {
    virtual_loop v;
    auto make = []() -> async_generator<std::unique_ptr<int>> {
        co_yield std::make_unique<int>(1);
        auto second = std::make_unique<int>(2);
        co_yield std::move(second);
    };
    auto body = [](async_generator<std::unique_ptr<int>> source) -> coro<int> {
        const auto first = co_await source.next();
        const auto second = co_await source.next();
        co_return **first * 10 + **second;
    };
    CHECK(v.loop.run_until_complete(body(make())) == 12);
}

TEST_CASE("co_yield gives what asend sent, and nothing after next", "[generator]") {
    virtual_loop v;
    auto body = []() -> coro<std::vector<int>> {
        auto sum = adder();
        std::vector<int> seen;
        const auto first = co_await sum.next();
        seen.push_back(*first);
        const auto second = co_await sum.asend(5);
        seen.push_back(*second);
        const auto third = co_await sum.next();
        seen.push_back(*third);
        co_await sum.aclose();
        co_return seen;
    };
    CHECK(v.loop.run_until_complete(body()) == std::vector{0, 5, 1005});
}

TEST_CASE("a value cannot be sent to a generator that stands at no co_yield", "[generator]") {
    virtual_loop v;
    auto body = []() -> coro<> {
        auto sum = adder();
        co_await sum.asend(1);
    };
    CHECK_THROWS_WITH(v.loop.run_until_complete(body()),
                      Catch::Contains("ask for its first value with next()"));
}

TEST_CASE("athrow throws at the co_yield; what is not caught ends the generator", "[generator]") {
    virtual_loop v;
    lines said;
    auto body = [](lines& out) -> coro<> {
        auto source = with_cleanup(out);
        co_await source.next();
        try {
            co_await source.athrow(std::runtime_error("stop it"));
        } catch (const std::runtime_error& e) { out.push_back(std::string("got ") + e.what()); }
        const auto after = co_await source.next();
        out.emplace_back(after.has_value() ? "goes on" : "ended");
    };
    v.loop.run_until_complete(body(said));
    CHECK(said == lines{"stop it", "cleaned up", "got stop it", "ended"});
    CHECK(v.clock.elapsed() == 1s);
}

TEST_CASE("a generator may catch what is thrown in and yield on", "[generator]") {
    virtual_loop v;
    auto stubborn = []() -> async_generator<int> {
        for (int i = 1; i < 4; ++i) {
            try {
                co_yield i;
            } catch (const std::runtime_error&) { i += 10; }
        }
        co_yield 100;
    };
    auto body = [](async_generator<int> source) -> coro<int> {
        co_await source.next();
        const auto item = co_await source.athrow(std::runtime_error("once"));
        co_return *item;
    };
    CHECK(v.loop.run_until_complete(body(stubborn())) == 100);
}

TEST_CASE("to throw into a generator that has not begun ends it unentered", "[generator]") {
    virtual_loop v;
    auto body = [](async_generator<int> source) -> coro<bool> {
        std::string text;
        try {
            co_await source.athrow(std::runtime_error("early"));
        } catch (const std::runtime_error& e) { text = e.what(); }
        const auto item = co_await source.next();
        co_return text == "early" && !item.has_value();
    };
    CHECK(v.loop.run_until_complete(body(count_to(3))));
    CHECK(v.clock.elapsed() == 0s);
}

TEST_CASE("aclose lets the body clean up, awaiting, and swallows generator_exit", "[generator]") {
    virtual_loop v;
    lines said;
    auto body = [](lines& out) -> coro<> {
        auto source = with_cleanup(out);
        co_await source.next();
        co_await source.aclose();
        out.emplace_back("closed");
    };
    v.loop.run_until_complete(body(said));
    CHECK(said == lines{"exit", "cleaned up", "closed"});
    CHECK(v.clock.elapsed() == 1s);
}

TEST_CASE("closing a generator that has not begun runs nothing of it", "[generator]") {
    virtual_loop v;
    auto body = [](async_generator<int> source) -> coro<bool> {
        co_await source.aclose();
        const auto item = co_await source.next();
        co_return !item.has_value();
    };
    CHECK(v.loop.run_until_complete(body(count_to(3))));
    CHECK(v.clock.elapsed() == 0s);
}

TEST_CASE("to yield while being closed is an error that names the line", "[generator]") {
    virtual_loop v;
    auto stubborn = []() -> async_generator<int> {
        for (int i = 0; i < 2; ++i) {
            try {
                co_yield i;
            } catch (const generator_exit&) {}
        }
    };
    auto body = [](async_generator<int> source) -> coro<> {
        co_await source.next();
        co_await source.aclose();
    };
    CHECK_THROWS_WITH(v.loop.run_until_complete(body(stubborn())),
                      Catch::Contains("yielded again") && Catch::Contains("generator_test.cpp"));
}

TEST_CASE("dropping a generator half-way destroys its locals at once", "[generator]") {
    virtual_loop v;
    auto alive = std::make_shared<int>(0);
    auto make = [](std::shared_ptr<int> held) -> async_generator<int> {
        for (;;) {
            co_yield *held;
        }
    };
    auto body = [](async_generator<int> source) -> coro<> {
        co_await source.next();
    };
    v.loop.run_until_complete(body(make(alive)));
    CHECK(alive.use_count() == 1);
    CHECK(v.loop.core().first_generator == nullptr);
}

TEST_CASE("cancelling the consumer throws where the generator's body waits", "[generator]") {
    virtual_loop v;
    auto t = v.loop.create_task(all_of(count_to(10)));
    v.loop.call_later(2500ms, [t]() mutable { t.cancel("enough"); });
    CHECK_THROWS_WITH(v.loop.run_until_complete(t), "enough");
    CHECK(v.clock.elapsed() == 2500ms);
    CHECK(v.loop.core().first_generator == nullptr);
}

TEST_CASE("a second task inside of a generator is an error that names the first", "[generator]") {
    virtual_loop v;
    auto source = count_to(2);
    auto use = [](async_generator<int>& shared) -> coro<int> {
        const auto item = co_await shared.next();
        co_return *item;
    };
    auto first = v.loop.create_task(use(source), "reader");
    auto second = v.loop.create_task(use(source));
    CHECK_THROWS_WITH(v.loop.run_until_complete(second),
                      Catch::Contains("while task reader is inside"));
    CHECK(v.loop.run_until_complete(first) == 1);
    CHECK(v.loop.run_until_complete(use(source)) == 2);
}

TEST_CASE("a generator that began on one loop cannot go on on another", "[generator]") {
    auto source = at_once(3);
    auto use = [](async_generator<int>& shared) -> coro<> {
        co_await shared.next();
    };
    {
        virtual_loop v;
        v.loop.run_until_complete(use(source));
    }
    virtual_loop other;
    CHECK_THROWS_AS(other.loop.run_until_complete(use(source)), coroscope::invalid_state_error);
}

TEST_CASE("a generator that was moved from says so", "[generator]") {
    auto source = at_once(1);
    const auto taken = std::move(source);
    CHECK(taken.valid());
    CHECK_THROWS_WITH(source.next(), Catch::Contains("moved from"));
}

TEST_CASE("a generator dropped while a task is inside goes with the step in progress",
          "[generator]") {
    virtual_loop v;
    auto alive = std::make_shared<int>(7);
    auto make = [](std::shared_ptr<int> held) -> async_generator<int> {
        co_await sleep_for(1s);
        co_yield *held;
    };
    auto source = std::make_unique<async_generator<int>>(make(alive));
    auto use = [](async_generator<int>* shared) -> coro<bool> {
        const auto item = co_await shared->next();
        co_return item.has_value();
    };
    auto t = v.loop.create_task(use(source.get()));
    v.loop.call_soon([&source] { source.reset(); });
    CHECK_FALSE(v.loop.run_until_complete(t));
    CHECK(alive.use_count() == 1);
}

TEST_CASE("run closes the generators that are still open, newest first", "[generator]") {
    lines said;
    std::vector<async_generator<int>> kept;
    auto body = [](std::vector<async_generator<int>>& keep, lines& out) -> coro<> {
        for (int i = 0; i < 2; ++i) {
            auto source = with_cleanup(out);
            co_await source.next();
            keep.push_back(std::move(source));
        }
    };
    manual_clock clock;
    coroscope::run_options options;
    options.clock = &clock;
    coroscope::run(body(kept, said), options);
    CHECK(said == lines{"exit", "cleaned up", "exit", "cleaned up"});
    CHECK(kept[0].finished());
    CHECK(kept[1].finished());
}

TEST_CASE("what a generator throws while its loop shuts down goes to the handler", "[generator]") {
    virtual_loop v;
    auto failing = []() -> async_generator<int> {
        try {
            co_yield 1;
        } catch (const generator_exit&) { throw std::runtime_error("disk full"); }
    };
    auto source = failing();
    auto use = [](async_generator<int>& shared) -> coro<> {
        co_await shared.next();
    };
    v.loop.run_until_complete(use(source));
    v.loop.run_until_complete(v.loop.shutdown_generators());
    REQUIRE(v.reported.size() == 1);
    CHECK(coroscope::describe(v.reported[0].exception) == "disk full");
}

TEST_CASE("closing the loop under a task inside a generator destroys both", "[generator]") {
    auto alive = std::make_shared<int>(0);
    auto make = [](std::shared_ptr<int> held) -> async_generator<int> {
        co_await sleep_for(1h);
        co_yield *held;
    };
    {
        virtual_loop v;
        v.loop.create_task(all_of(make(alive)));
        v.loop.stop();
        v.loop.run_forever();
    }
    CHECK(alive.use_count() == 1);
}

TEST_CASE("closing the loop under the shutdown of a generator leaves its owner nothing",
          "[generator]") {
    lines said;
    auto source = with_cleanup(said);
    auto use = [](async_generator<int>& shared) -> coro<> {
        co_await shared.next();
    };
    {
        virtual_loop v;
        v.loop.run_until_complete(use(source));
        v.loop.create_task(v.loop.shutdown_generators());
        v.loop.call_soon([&v] { v.loop.stop(); });
        v.loop.run_forever();
    }
    CHECK_FALSE(source.valid());
    CHECK(said == lines{"exit"});
}

TEST_CASE("a generator dropped while it is being closed goes, also if it yields again",
          "[generator]") {
    virtual_loop v;
    auto alive = std::make_shared<int>(7);
    auto make = [](std::shared_ptr<int> held) -> async_generator<int> {
        for (;;) {
            try {
                co_yield *held;
            } catch (const generator_exit&) {}
            co_await sleep_for(1s);
        }
    };
    auto source = std::make_unique<async_generator<int>>(make(alive));
    auto close = [](async_generator<int>* shared) -> coro<> {
        co_await shared->next();
        co_await shared->aclose();
    };
    auto t = v.loop.create_task(close(source.get()));
    v.loop.call_later(500ms, [&source] { source.reset(); });
    CHECK_THROWS_WITH(v.loop.run_until_complete(t), Catch::Contains("yielded again"));
    CHECK(alive.use_count() == 1);
}

TEST_CASE("for_each visits all values, stops when told, and closes the source", "[generator]") {
    virtual_loop v;
    std::vector<int> seen;
    v.loop.run_until_complete(for_each(at_once(3), [&seen](int i) { seen.push_back(i); }));
    CHECK(seen == std::vector{1, 2, 3});
    seen.clear();
    lines said;
    v.loop.run_until_complete(for_each(with_cleanup(said), [&seen](int i) {
        seen.push_back(i);
        return i < 2;
    }));
    CHECK(seen == std::vector{1, 2});
    CHECK(said == lines{"exit", "cleaned up"});
}

TEST_CASE("for_each awaits a visitor that is a coroutine function", "[generator]") {
    virtual_loop v;
    auto visit = [](int i) -> coro<bool> {
        co_await sleep_for(1s);
        co_return i < 3;
    };
    v.loop.run_until_complete(for_each(at_once(10), visit));
    CHECK(v.clock.elapsed() == 3s);
}

TEST_CASE("for_each closes the source before an exception of its visitor goes on", "[generator]") {
    virtual_loop v;
    lines said;
    auto visit = [](int) {
        throw std::runtime_error("visitor");
    };
    CHECK_THROWS_WITH(v.loop.run_until_complete(for_each(with_cleanup(said), visit)), "visitor");
    CHECK(said == lines{"exit", "cleaned up"});
}
