// SPDX-License-Identifier: Apache-2.0
#include <coroscope/testkit/test_run.hpp>

#include "support/catch.hpp"

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/run.hpp>
#include <coroscope/runtime/sleep.hpp>

#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using coroscope::coro;
using coroscope::testkit::background;
using coroscope::testkit::failure_kind;
using coroscope::testkit::run_test;
using coroscope::testkit::settle;
using coroscope::testkit::test_options;
using coroscope::testkit::this_test;

namespace {

coro<> nap(coroscope::duration d) {
    co_await coroscope::sleep_for(d);
}

coro<> wait_for_nobody() {
    co_await this_test().loop().create_future<>();
}

coro<int> fail_after(coroscope::duration d, std::string what) {
    co_await coroscope::sleep_for(d);
    throw std::runtime_error(what);
}

}  // namespace

TEST_CASE("a day passes at once", "[run_test]") {
    const auto result = run_test([]() -> coro<> { co_await coroscope::sleep_for(24h); });
    CHECK(result.ok());
    CHECK(to_string(result) == "ok");
    CHECK(result.virtual_elapsed == 24h);
    CHECK(result.steps > 0);
}

TEST_CASE("a body may give a result, which is dropped, and may capture", "[run_test]") {
    int calls = 0;
    const auto inner = [](int& count) -> coro<int> {
        ++count;
        co_return 3;
    };
    CHECK(run_test([&] { return inner(calls); }).ok());
    CHECK(calls == 1);
}

TEST_CASE("this_test knows the test's clock, loop and seed", "[run_test]") {
    test_options options;
    options.seed = 5;
    const auto body = []() -> coro<> {
        CHECK(this_test().seed() == 5);
        CHECK(&this_test().loop() == &coroscope::get_running_loop());
        CHECK(&this_test().loop().clock() == &this_test().clock());
        co_return;
    };
    const auto result = run_test(body, options);
    CHECK(result.ok());
    CHECK(result.seed == 5);
    CHECK_THROWS_AS(this_test(), std::logic_error);
}

TEST_CASE("what a test draws from its own generator follows from its seed", "[run_test]") {
    std::vector<std::uint64_t> drawn;
    const auto body = [](std::vector<std::uint64_t>& to) -> coro<> {
        to.push_back(this_test().random().next());
        to.push_back(std::uniform_int_distribution<std::uint64_t>(1, 6)(this_test().random()));
        co_return;
    };
    test_options options;
    for (const std::uint64_t seed : {5U, 5U, 6U}) {
        options.seed = seed;
        CHECK(run_test([&] { return body(drawn); }, options).ok());
    }
    CHECK(drawn[0] == drawn[2]);
    CHECK(drawn[1] == drawn[3]);
    CHECK(drawn[0] != drawn[4]);
}

TEST_CASE("each test has a seed of its own unless it is given one", "[run_test]") {
    const auto body = []() -> coro<> {
        co_return;
    };
    CHECK(run_test(body).seed != run_test(body).seed);
}

TEST_CASE("a test inside a loop is an error that says so", "[run_test]") {
    const auto inner = []() -> coro<> {
        co_return;
    };
    const auto body = [](auto& nested) -> coro<> {
        CHECK_THROWS_WITH(run_test(nested), Catch::Contains("run_test was called inside a running "
                                                            "loop"));
        CHECK_THROWS_WITH(coroscope::run(nested()),
                          Catch::Contains("coroscope::run was called inside a running loop"));
        co_return;
    };
    const auto result = run_test([&] { return body(inner); });
    INFO(to_string(result));
    CHECK(result.ok());
}

// --- Exceptions

TEST_CASE("an exception that leaves the body fails the test", "[run_test]") {
    const auto result =
        run_test([]() -> coro<> { static_cast<void>(co_await fail_after(1s, "boom")); });
    REQUIRE(result.failures.size() == 1);
    CHECK(result.failures[0].kind == failure_kind::exception);
    CHECK(result.failures[0].message
          == "an exception left the test's body: boom (std::runtime_error)");
    CHECK(result.failures[0].exception != nullptr);
    CHECK(result.virtual_elapsed == 1s);
    CHECK(to_string(result)
          == result.failures[0].message
                 + "\nvirtual time: 1 s\nseed: " + std::to_string(result.seed));
}

TEST_CASE("an exception thrown before the body is a coroutine fails the test, too", "[run_test]") {
    const auto result = run_test([]() -> coro<> { throw std::logic_error("no coroutine"); });
    REQUIRE(result.failures.size() == 1);
    CHECK(result.failures[0].message
          == "an exception left the test's body: no coroutine (std::logic_error)");
}

TEST_CASE("an exception that nobody retrieved fails the test", "[run_test]") {
    const auto result = run_test([]() -> coro<> {
        this_test().loop().create_task(fail_after(1s, "lost"), "loser");
        co_await coroscope::sleep_for(2s);
    });
    REQUIRE(result.failures.size() == 1);
    CHECK(result.failures[0].kind == failure_kind::unretrieved);
    const auto where = coroscope::to_string(result.failures[0].where);
    CHECK(where.find("test_run_test.cpp:") != std::string::npos);
    CHECK(result.failures[0].message ==
          "a task's exception was never retrieved: nobody awaited it or asked for its result\n"
          "    lost (std::runtime_error)\n    task 2 (loser)\n    created at " + where);
}

TEST_CASE("a retrieved exception is no failure", "[run_test]") {
    const auto result = run_test([]() -> coro<> {
        auto task = this_test().loop().create_task(fail_after(1s, "found"));
        co_await coroscope::sleep_for(2s);
        CHECK(task.exception() != nullptr);
    });
    CHECK(result.ok());
}

TEST_CASE("all exceptions are reported, each once", "[run_test]") {
    const auto result = run_test([]() -> coro<> {
        auto& l = this_test().loop();
        l.create_task(fail_after(1s, "first"));
        const auto throws = [] {
            throw std::logic_error("second");
        };
        l.call_later(2s, throws);
        auto awaited = l.create_task(fail_after(3s, "third"));
        static_cast<void>(co_await awaited);
    });
    REQUIRE(result.failures.size() == 3);
    CHECK(result.failures[0].message.find("first (std::runtime_error)") != std::string::npos);
    CHECK(result.failures[1].message.find("second (std::logic_error)") != std::string::npos);
    CHECK(result.failures[2].message
          == "an exception left the test's body: third (std::runtime_error)");
}

TEST_CASE("an exception of a future that nobody asked for fails the test", "[run_test]") {
    const auto result = run_test([]() -> coro<> {
        auto f = this_test().loop().create_future<int>();
        f.set_exception(std::runtime_error("in a future"));
        co_return;
    });
    REQUIRE(result.failures.size() == 1);
    CHECK(result.failures[0].message.find("in a future") != std::string::npos);
}

TEST_CASE("an exception that surfaces between tests fails the next one", "[run_test]") {
    std::optional<coroscope::task<int>> kept;
    const auto body = [](auto& out) -> coro<> {
        out = this_test().loop().create_task(fail_after(1s, "late"), "kept");
        co_await coroscope::sleep_for(2s);
    };
    CHECK(run_test([&] { return body(kept); }).ok());
    kept.reset();
    bool ran = false;
    const auto next = [](bool& flag) -> coro<> {
        flag = true;
        co_return;
    };
    const auto result = run_test([&] { return next(ran); });
    CHECK_FALSE(ran);
    REQUIRE(result.failures.size() == 1);
    CHECK(result.failures[0].kind == failure_kind::between_tests);
    CHECK(result.failures[0].message.find("late (std::runtime_error)") != std::string::npos);
    CHECK(run_test([&] { return next(ran); }).ok());
    CHECK(ran);
}

TEST_CASE("a cancelled body is a failure", "[run_test]") {
    const auto result = run_test([]() -> coro<> {
        coroscope::current_task().cancel();
        co_await coroscope::yield_now();
    });
    REQUIRE(result.failures.size() == 1);
    CHECK(result.failures[0].message == "the test's body was cancelled by somebody");
}

TEST_CASE("an adapter's own exceptions fail the test without being reported", "[run_test]") {
    test_options options;
    options.is_reported = [](const std::exception_ptr& e) {
        return coroscope::describe(e) == "assertion";
    };
    const auto result = run_test(
        []() -> coro<> { static_cast<void>(co_await fail_after(0s, "assertion")); }, options);
    CHECK_FALSE(result.ok());
    CHECK(result.failed_elsewhere);
    CHECK(result.failures.empty());
}

// --- Leaks and background tasks

TEST_CASE("tasks that outlive the body are leaks, each with its creation", "[run_test]") {
    const auto result = run_test([]() -> coro<> {
        this_test().loop().create_task(nap(1h), "one");
        this_test().loop().create_task(wait_for_nobody(), "two");
        co_await coroscope::yield_now();
    });
    REQUIRE(result.failures.size() == 2);
    CHECK(result.failures[0].kind == failure_kind::leaked_task);
    CHECK(result.failures[0].message.starts_with(
        "a task was still alive when the test had ended: task 2 (one) sleeps until 3600 s\n"));
    CHECK(result.failures[1].message.starts_with(
        "a task was still alive when the test had ended: task 3 (two) waits on future "));
    CHECK(result.failures[1].where.line() == result.failures[0].where.line() + 1);
    CHECK(result.virtual_elapsed == 0s);
}

TEST_CASE("two grace rounds are enough for a task that is about to end", "[run_test]") {
    const auto yields = [](int count) -> coro<> {
        for (int i = 0; i < count; ++i) {
            co_await coroscope::yield_now();
        }
    };
    const auto body = [](auto& f, int count) -> coro<> {
        this_test().loop().create_task(f(count));
        co_await coroscope::yield_now();
    };
    CHECK(run_test([&] { return body(yields, 2); }).ok());
    CHECK_FALSE(run_test([&] { return body(yields, 5); }).ok());
}

TEST_CASE("a callback that has not fired is no leak", "[run_test]") {
    const auto result = run_test([]() -> coro<> {
        this_test().loop().call_later(1h, [] { FAIL("must not run"); });
        co_return;
    });
    CHECK(result.ok());
}

TEST_CASE("background tasks, and what they create, are cancelled and awaited", "[run_test]") {
    std::string order;
    const auto worker = [](std::string& out, char mark) -> coro<> {
        try {
            co_await coroscope::sleep_for(100h);
        } catch (const coroscope::cancelled_error&) { out += mark; }
        // Cleanup takes virtual time; a cancelled task may still await.
        co_await coroscope::sleep_for(1s);
        out += static_cast<char>(mark - 'a' + 'A');
    };
    const auto server = [](std::string& out, auto& work) -> coro<> {
        this_test().loop().create_task(work(out, 'a'));
        co_await work(out, 'b');
    };
    const auto body = [](std::string& out, auto& serve, auto& work) -> coro<> {
        background(serve(out, work), "server");
        background(wait_for_nobody());
        co_await coroscope::sleep_for(1s);
    };
    const auto result = run_test([&] { return body(order, server, worker); });
    INFO(to_string(result));
    CHECK(result.ok());
    CHECK(order.size() == 4);
    CHECK(order.find('A') != std::string::npos);
    CHECK(order.find('B') != std::string::npos);
    CHECK(result.virtual_elapsed == 1s);
}

TEST_CASE("an exception of a background task fails the test", "[run_test]") {
    const auto result = run_test([]() -> coro<> {
        background(fail_after(1s, "in the background"));
        co_await coroscope::sleep_for(2s);
    });
    REQUIRE(result.failures.size() == 1);
    CHECK(result.failures[0].message.find("in the background") != std::string::npos);
}

TEST_CASE("a task that ignores its cancellation is named", "[run_test]") {
    const auto stubborn = []() -> coro<> {
        for (;;) {
            try {
                co_await this_test().loop().create_future<>();
            } catch (const coroscope::cancelled_error&) {  // NOLINT(bugprone-empty-catch): stays
            }
        }
    };
    const auto body = [](auto& f) -> coro<> {
        background(f(), "stubborn");
        co_await coroscope::yield_now();
    };
    const auto result = run_test([&] { return body(stubborn); });
    REQUIRE(result.failures.size() == 1);
    CHECK(result.failures[0].kind == failure_kind::not_cancellable);
    CHECK(result.failures[0].message.find("task 2 (stubborn)") != std::string::npos);
}

namespace {

/// Says when it ends.
struct ending {
    ending(std::vector<std::string>& to, std::string what) : log(to), name(std::move(what)) {}
    ending(const ending&) = delete;
    ending& operator=(const ending&) = delete;
    ~ending() { log.push_back(name); }
    std::vector<std::string>& log;
    std::string name;
};

coro<> wait_for_ever(std::vector<std::string>& log, std::string name) {
    const ending here(log, name);
    co_await this_test().loop().create_future<>();
}

}  // namespace

TEST_CASE("after a deadlock children end before the body, whose variables they use", "[run_test]") {
    std::vector<std::string> log;
    const auto body = [](std::vector<std::string>& to) -> coro<> {
        const ending here(to, "body");
        this_test().loop().create_task(wait_for_ever(to, "first child"));
        this_test().loop().create_task(wait_for_ever(to, "second child"));
        co_await this_test().loop().create_future<>();
    };
    const auto result = run_test([&] { return body(log); });
    CHECK(result.failures.at(0).kind == failure_kind::deadlock);
    CHECK(log == std::vector<std::string>{"second child", "first child", "body"});
}

TEST_CASE("a leak beside a failed body is a note", "[run_test]") {
    const auto result = run_test([]() -> coro<> {
        this_test().loop().create_task(nap(1h), "left");
        co_await coroscope::yield_now();
        throw std::runtime_error("boom");
    });
    CHECK(result.failures.size() == 1);
    REQUIRE(result.notes.size() == 1);
    CHECK(result.notes[0].find("task 2 (left)") != std::string::npos);
}

TEST_CASE("settle runs everything that is ready", "[run_test]") {
    const auto result = run_test([]() -> coro<> {
        int steps = 0;
        const auto stepping = [](int& count) -> coro<> {
            for (; count < 20; ++count) {
                co_await coroscope::yield_now();
            }
        };
        auto task = this_test().loop().create_task(stepping(steps));
        co_await settle();
        CHECK(task.done());
        CHECK(steps == 20);
        CHECK(this_test().clock().elapsed() == 0s);
    });
    CHECK(result.ok());
}
