// SPDX-License-Identifier: Apache-2.0
// Tests that cannot go on, and tests that are ended.

#include <coroscope/testkit/test_run.hpp>

#include "support/catch.hpp"
#include "support/sanitizers.hpp"
#include "testkit/nested_catch.hpp"

#include <coroscope/instrumentation/stall_watchdog.hpp>
#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/mutex.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/runtime/wait.hpp>

#include <cstdlib>
#include <memory>
#include <regex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using Catch::Matchers::EndsWith;
using Catch::Matchers::StartsWith;
using coroscope::coro;
using coroscope::testkit::background;
using coroscope::testkit::failure_kind;
using coroscope::testkit::run_test;
using coroscope::testkit::test_options;
using coroscope::testkit::test_result;
using coroscope::testkit::this_test;

namespace {

/// The text of the only failure, without the folders of its paths and without line numbers.
std::string text_of(const test_result& result) {
    if (result.failures.size() != 1) { return to_string(result); }
    static const std::regex place(R"((?:[^\s:(]*/)?(\w+\.[ch]pp):\d+)");
    return std::regex_replace(result.failures[0].message, place, "$1:LINE");
}

coro<> wait_on(coroscope::future<> f) {
    co_await f;
}

coro<> join(std::optional<coroscope::task<>>& other) {
    co_await *other;
}

coro<> tick() {
    for (;;) {
        co_await coroscope::sleep_for(1s);
    }
}

coro<> circle() {
    std::optional<coroscope::task<>> a;
    std::optional<coroscope::task<>> b;
    a = this_test().loop().create_task(join(b), "a");
    b = this_test().loop().create_task(join(a), "b");
    co_await *a;
}

/// Shared: the tasks are cancelled when the body, which made the mutexes, is gone already.
using shared_mutex = std::shared_ptr<coroscope::mutex>;

coro<> lock_both(shared_mutex first, shared_mutex second) {
    const auto one = co_await first->scoped();
    co_await coroscope::yield_now();
    const auto other = co_await second->scoped();
}

coro<> lock_in_two_orders() {
    const auto a = std::make_shared<coroscope::mutex>();
    const auto b = std::make_shared<coroscope::mutex>();
    auto ab = this_test().loop().create_task(lock_both(a, b), "ab");
    auto ba = this_test().loop().create_task(lock_both(b, a), "ba");
    const std::vector<coroscope::any_task> both{ab, ba};
    const auto done = co_await coroscope::wait(both);
    static_cast<void>(done);
}

}  // namespace

// --- Deadlock

TEST_CASE("a deadlock fails at once and names everything that waits", "[run_test][golden]") {
    const auto result = run_test([]() -> coro<> {
        auto nobody = this_test().loop().create_future<>();
        auto reader = this_test().loop().create_task(wait_on(nobody), "reader");
        co_await reader;
    });
    CHECK(text_of(result) ==
          "deadlock: nothing can run, no timer is armed, and nothing external is awaited\n"
          "    task 1 (test) waits on task 2 (reader)\n"
          "      at test_ends_test.cpp:LINE\n"
          "      created at test_ends_test.cpp:LINE\n"
          "    task 2 (reader) waits on future 1 (created at test_ends_test.cpp:LINE)\n"
          "      at test_ends_test.cpp:LINE\n"
          "      created at test_ends_test.cpp:LINE\n"
          "    if another thread was to set a future: keep a testkit::outstanding_work until it "
          "has");
    CHECK(result.failures.at(0).kind == failure_kind::deadlock);
}

TEST_CASE("an await cycle is named as such", "[run_test][golden]") {
    CHECK(text_of(run_test(circle)) ==
          "deadlock: nothing can run, no timer is armed, and nothing external is awaited\n"
          "    task 1 (test) waits on task 2 (a)\n"
          "      at test_ends_test.cpp:LINE\n"
          "      created at test_ends_test.cpp:LINE\n"
          "    task 2 (a) waits on task 3 (b)\n"
          "      at test_ends_test.cpp:LINE\n"
          "      created at test_ends_test.cpp:LINE\n"
          "    task 3 (b) waits on task 2 (a)\n"
          "      at test_ends_test.cpp:LINE\n"
          "      created at test_ends_test.cpp:LINE\n"
          "    await cycle: task 2 (a) -> task 3 (b) -> task 2 (a)");
}

TEST_CASE("a deadlock inside a gather names the children it waits for", "[run_test][golden]") {
    const auto result = run_test([]() -> coro<> {
        auto nobody = this_test().loop().create_future<>();
        co_await coroscope::gather(coroscope::testkit::detail::without_result(wait_on(nobody)),
                                   wait_on(nobody));
    });
    const auto text = text_of(result);
    CHECK(text.find("task 1 (test) waits on gather ") != std::string::npos);
    CHECK(text.find(" of task 2 (task-2), task 3 (task-3) (created at test_ends_test.cpp:LINE)")
          != std::string::npos);
    CHECK(text.find("      awaited at test_run.hpp:LINE\n") != std::string::npos);
}

TEST_CASE("a deadlock of locks names who holds them", "[run_test][golden]") {
    CHECK(text_of(run_test(lock_in_two_orders)) ==
          "deadlock: nothing can run, no timer is armed, and nothing external is awaited\n"
          "    task 1 (test) waits on group 1 of task 2 (ab), task 3 (ba)\n"
          "      at test_ends_test.cpp:LINE\n"
          "      created at test_ends_test.cpp:LINE\n"
          "    task 2 (ab) waits on mutex 3, held by task 3 (ba)\n"
          "      at test_ends_test.cpp:LINE\n"
          "      created at test_ends_test.cpp:LINE\n"
          "    task 3 (ba) waits on mutex 2, held by task 2 (ab)\n"
          "      at test_ends_test.cpp:LINE\n"
          "      created at test_ends_test.cpp:LINE\n"
          "    await cycle: task 2 (ab) -> task 3 (ba) -> task 2 (ab)");
}

TEST_CASE("a test that waits with a timeout is no deadlock", "[run_test]") {
    const auto result = run_test([]() -> coro<> {
        auto nobody = this_test().loop().create_future<>();
        bool timed_out = false;
        try {
            co_await coroscope::wait_for(nobody, 1h);
        } catch (const coroscope::timeout_error&) { timed_out = true; }
        CHECK(timed_out);
    });
    INFO(to_string(result));
    CHECK(result.ok());
}

TEST_CASE("a cycle that a timeout will break is no deadlock", "[run_test]") {
    const auto result = run_test([]() -> coro<> {
        std::optional<coroscope::task<>> a;
        std::optional<coroscope::task<>> b;
        a = this_test().loop().create_task(join(b), "a");
        b = this_test().loop().create_task(coroscope::wait_for(*a, 1s), "b");
        bool ended = false;
        try {
            co_await *a;
        } catch (const std::exception&) { ended = true; }
        CHECK(ended);
        co_await coroscope::testkit::settle();
        CHECK(b->done());
        CHECK(b->cancelled() == false);
        CHECK(b->exception() != nullptr);
    });
    INFO(to_string(result));
    CHECK(result.virtual_elapsed == 1s);
    for (const auto& failure : result.failures) {
        CHECK(failure.kind != failure_kind::deadlock);
    }
}

TEST_CASE("a blocked background task is no deadlock", "[run_test]") {
    const auto result = run_test([]() -> coro<> {
        auto nobody = this_test().loop().create_future<>();
        background(wait_on(nobody), "idle");
        co_await coroscope::sleep_for(1h);
    });
    INFO(to_string(result));
    CHECK(result.ok());
}

TEST_CASE("time that nobody moves is a deadlock that says so", "[run_test][golden]") {
    test_options options;
    options.autojump = false;
    const auto result =
        run_test([]() -> coro<> { co_await coroscope::sleep_for(1500ms); }, options);
    CHECK(text_of(result) ==
          "deadlock: nothing can run, and time stands still: autojump is off, no task moves the "
          "clock, and the next timer is due at 1.5 s\n"
          "    task 1 (test) sleeps until 1.5 s\n"
          "      at test_ends_test.cpp:LINE\n"
          "      created at test_ends_test.cpp:LINE");
}

TEST_CASE("a stopped loop is a failure", "[run_test]") {
    const auto result = run_test([]() -> coro<> {
        this_test().loop().stop();
        co_await coroscope::sleep_for(1s);
    });
    REQUIRE(result.failures.size() == 1);
    CHECK(result.failures[0].kind == failure_kind::stopped);
}

// --- Runaways

TEST_CASE("a task that never lets time move is stopped and named", "[run_test]") {
    test_options options;
    options.max_steps_at_one_instant = 10'000;
    const auto spinning = []() -> coro<> {
        for (;;) {
            co_await coroscope::yield_now();
        }
    };
    const auto body = [](auto& f) -> coro<> {
        co_await coroscope::sleep_for(2s);
        auto task = this_test().loop().create_task(f(), "spinner");
        co_await coroscope::sleep_for(1s);
    };
    const auto result = run_test([&] { return body(spinning); }, options);
    REQUIRE(result.failures.size() == 1);
    CHECK(result.failures[0].kind == failure_kind::runaway);
    CHECK(text_of(result).starts_with(
        "runaway: more than 10000 steps at one instant (2 s)\n  100 of 100 steps are of task 2 "
        "(spinner) is ready\n"));
}

TEST_CASE("a timer that rearms itself with no delay is stopped and located", "[run_test]") {
    test_options options;
    options.max_steps_at_one_instant = 10'000;
    struct rearming {
        static void again() { this_test().loop().call_later(0s, again); }
    };
    const auto result = run_test(
        []() -> coro<> {
            rearming::again();
            co_await coroscope::sleep_for(1s);
        },
        options);
    CHECK(text_of(result) ==
          "runaway: more than 10000 steps at one instant (0 s)\n  100 of 100 steps are callbacks "
          "scheduled at test_ends_test.cpp:LINE");
}

TEST_CASE("too many steps in all are a runaway, too", "[run_test]") {
    test_options options;
    options.max_steps = 10'000;
    const auto result = run_test(tick, options);
    REQUIRE(result.failures.size() == 1);
    CHECK(text_of(result).starts_with("runaway: more than 10000 steps\n"));
}

TEST_CASE("as many steps as allowed are no runaway", "[run_test]") {
    test_options options;
    options.max_steps_at_one_instant = 10'000;
    const auto result = run_test(
        []() -> coro<> {
            for (int round = 0; round < 3; ++round) {
                for (int i = 0; i < 9'000; ++i) {
                    co_await coroscope::yield_now();
                }
                co_await coroscope::sleep_for(1s);
            }
        },
        options);
    INFO(to_string(result));
    CHECK(result.ok());
}

// --- Limits

TEST_CASE("a test that waits beyond its real time limit fails and lists its tasks",
          "[run_test][threads]") {
    test_options options;
    options.time_limit = 50ms;
    std::optional<coroscope::testkit::outstanding_work> never;
    const auto body = [](auto& held) -> coro<> {
        held.emplace(this_test().clock());
        co_await this_test().loop().create_future<>();
    };
    const auto result = run_test([&] { return body(never); }, options);
    REQUIRE(result.failures.size() == 1);
    CHECK(result.failures[0].kind == failure_kind::time_limit);
    CHECK(
        text_of(result).starts_with("the test has used up its real time limit; its tasks:\n    "
                                    "task 1 (test) waits on future "));
    never.reset();
    CHECK(run_test([]() -> coro<> { co_await coroscope::sleep_for(1h); }, options).ok());
}

TEST_CASE("a test that goes on for ever in virtual time meets its real time limit",
          "[run_test][threads]") {
    test_options options;
    options.time_limit = 50ms;
    const auto result = run_test(tick, options);
    REQUIRE(result.failures.size() == 1);
    CHECK(result.failures[0].kind == failure_kind::time_limit);
}

TEST_CASE("a body that spins ends the process, with the tasks and its stack on standard error",
          "[run_test][threads]") {
#if defined(COROSCOPE_TEST_THREAD_SANITIZER)  // which holds signals back
    const bool is_stack_taken = false;
#else
    const bool is_stack_taken = coroscope::instrumentation::takes_native_stacks();
#endif
    const auto run = nested::run("spins for ever", "COROSCOPE_TEST_TIME_LIMIT=0.2");
    INFO(run.output);
    CHECK(run.status == 124);
    CHECK(run.has("coroscope: the test 'spins for ever' ("));
    CHECK(run.has("has used up its time limit of 0.2 s (real time)"));
    CHECK(run.has("task 1 (spins for ever) is running"));
    CHECK(run.has("task 2 (bystander) sleeps until 3600 s"));
    CHECK(run.has("unflushed output"));
    if (is_stack_taken) {
        CHECK(run.has("Its thread is here:"));
        CHECK(run.has("spin_here"));
    } else {
        CHECK(run.has("There is no native stack of its thread: "));
    }
}

TEST_CASE("a job that never ends ends the process", "[run_test][threads]") {
    const auto run = nested::run("waits for ever for a job", "COROSCOPE_TEST_TIME_LIMIT=0.2");
    INFO(run.output);
    CHECK(run.status == 124);
}

TEST_CASE("the environment's time limit overrides the option", "[run_test][threads]") {
    struct environment {
        explicit environment(const char* value) { ::setenv("COROSCOPE_TEST_TIME_LIMIT", value, 1); }
        ~environment() { ::unsetenv("COROSCOPE_TEST_TIME_LIMIT"); }
    };
    test_options options;
    options.time_limit = 1h;
    {
        const environment limit("0.05");
        CHECK(run_test(tick, options).failures.at(0).kind == failure_kind::time_limit);
    }
    for (const char* wrong : {"soon", "-1", "1s", "1e99", " 1"}) {
        const environment limit(wrong);
        CHECK_THROWS_AS(run_test(tick, options), std::invalid_argument);
    }
    options.time_limit = -1s;
    CHECK_THROWS_AS(run_test(tick, options), std::invalid_argument);
}

TEST_CASE("the environment's seed is used where the test gives none", "[run_test]") {
    const auto body = []() -> coro<> {
        co_return;
    };
    ::setenv("COROSCOPE_TEST_SEED", "123", 1);
    CHECK(run_test(body).seed == 123);
    ::setenv("COROSCOPE_TEST_SEED", "12x", 1);
    CHECK_THROWS_AS(run_test(body), std::invalid_argument);
    ::unsetenv("COROSCOPE_TEST_SEED");
}

TEST_CASE("at the end of time every task gets an error, and cleanup that sleeps gets it again",
          "[run_test]") {
    test_options options;
    options.end_of_time = 10s;
    const auto child = [](int& errors) -> coro<> {
        for (int i = 0; i < 2; ++i) {
            try {
                co_await coroscope::sleep_for(1h);
            } catch (const coroscope::testkit::end_of_time_error&) { ++errors; }
        }
    };
    const auto body = [](auto& f, int& errors) -> coro<> {
        auto task = this_test().loop().create_task(f(errors));
        for (int i = 0; i < 2; ++i) {
            try {
                co_await task;
            } catch (const coroscope::testkit::end_of_time_error&) { ++errors; }
        }
        co_await task;
        CHECK(this_test().clock().elapsed() == 10s);
    };
    int errors = 0;
    const auto result = run_test([&] { return body(child, errors); }, options);
    INFO(to_string(result));
    CHECK(result.ok());
    CHECK(errors == 4);
    const auto just_before =
        run_test([]() -> coro<> { co_await coroscope::sleep_for(10s); }, options);
    CHECK(just_before.ok());
    const auto unhandled =
        run_test([]() -> coro<> { co_await coroscope::sleep_for(11s); }, options);
    CHECK(text_of(unhandled) ==
          "an exception left the test's body: virtual time has come to its end, 10 s after the "
          "test began (coroscope::testkit::end_of_time_error)");
}

TEST_CASE("a silent partner becomes an error after the idle timeout", "[run_test][threads]") {
    test_options options;
    options.idle_timeout = 20ms;
    std::optional<coroscope::testkit::outstanding_work> silent;
    const auto body = [](auto& held) -> coro<> {
        held.emplace(this_test().clock());
        bool thrown = false;
        try {
            co_await this_test().loop().create_future<>();
        } catch (const coroscope::testkit::idle_timeout_error&) { thrown = true; }
        CHECK(thrown);
        held.reset();
    };
    const auto result = run_test([&] { return body(silent); }, options);
    INFO(to_string(result));
    CHECK(result.ok());
}

// --- Jobs and rules

TEST_CASE("an executor job that nobody waits for is a failure", "[run_test][threads]") {
    const auto result = run_test([]() -> coro<> {
        std::atomic<bool>* const go = new std::atomic<bool>(false);
        const auto job = [go] {
            go->wait(false);
            delete go;
        };
        static_cast<void>(this_test().loop().run_in_executor(job));
        // Ends while the loop is closed, which waits for it.
        std::thread([go] {
            const auto until = std::chrono::steady_clock::now() + 20ms;
            while (std::chrono::steady_clock::now() < until) {
                std::this_thread::yield();
            }
            go->store(true);
            go->notify_all();
        }).detach();
        co_return;
    });
    REQUIRE(result.failures.size() == 1);
    CHECK(result.failures[0].kind == failure_kind::leaked_job);
    CHECK(result.failures[0].message.starts_with("1 job was still in an executor"));
}

TEST_CASE("a slow step fails a test that says so", "[run_test]") {
    const auto slow = []() -> coro<> {
        const auto until = std::chrono::steady_clock::now() + 5ms;
        while (std::chrono::steady_clock::now() < until) {}
        co_return;
    };
    test_options options;
    options.make_loop = [](const coroscope::loop_options& given) {
        auto settings = given;
        settings.slow_callback_duration = 5ms;
        return std::make_unique<coroscope::loop>(settings);
    };
    CHECK(run_test(slow, options).ok());
    options.fail_on = {"slow-step"};
    const auto result = run_test(slow, options);
    REQUIRE_FALSE(result.failures.empty());
    CHECK(result.failures[0].kind == failure_kind::rule);
    CHECK(result.failures[0].message.starts_with("slow-step: task 1 ran 0.0"));
    options.make_loop = {};
    CHECK(run_test([]() -> coro<> { co_await coroscope::sleep_for(1000h); }, options).ok());
}

TEST_CASE("an unknown rule is refused", "[run_test]") {
    test_options options;
    options.fail_on = {"slow-stepp"};
    CHECK_THROWS_WITH(
        run_test(tick, options),
        StartsWith("test_options::fail_on has the unknown rule 'slow-stepp'; known are slow-step, "
                   "hold-given-up, never-awaited, ")
            && EndsWith(", wrong-thread"));
}
