// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/lints.hpp>

#include <coroscope/runtime/future.hpp>
#include <coroscope/runtime/queue.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "instrumentation/busy_wait.hpp"
#include "instrumentation/linted_loop.hpp"
#include "runtime/stream_pair.hpp"
#include "support/catch.hpp"

#include <stdexcept>
#include <string>

using namespace coroscope;
using namespace coroscope::instrumentation;
using namespace std::chrono_literals;

namespace {

/// So that a broken rule fails its test instead of hanging it.
constexpr int too_many = 100'000;

coro<int> forgotten() {
    co_return 1;
}

coro<> forget() {
    co_await yield_now();
    static_cast<void>(forgotten());
}

coro<> take_and_await(coro<int> work) {
    co_await std::move(work);
}

coro<> wait_for_ever() {
    co_await sleep_for(duration::max());
}

coro<> fail() {
    co_await yield_now();
    throw std::runtime_error("disk full");
}

coro<> drop_failing_task() {
    static_cast<void>(get_running_loop().create_task(fail(), "writer"));
    co_await sleep_for(1s);
}

coro<> ask_for_failure() {
    auto failing = get_running_loop().create_task(fail(), "writer");
    co_await sleep_for(1s);
    static_cast<void>(failing.exception());
}

coro<> poll(const bool& done) {
    for (int i = 0; !done && i < too_many; ++i) {
        co_await yield_now();
    }
}

coro<> poll_with_zero_sleep(const bool& done) {
    for (int i = 0; !done && i < too_many; ++i) {
        co_await sleep_for(0s);
    }
}

coro<> poll_from_two_lines(const bool& done) {
    for (int i = 0; !done && i < too_many; ++i) {
        co_await yield_now();
        co_await yield_now();
    }
}

coro<> compute_in_parts(int parts) {
    for (int i = 0; i < parts; ++i) {
        busy_wait(100us);
        co_await yield_now();
    }
}

coro<> sleep_often(int times) {
    for (int i = 0; i < times; ++i) {
        co_await sleep_for(1ms);
    }
}

struct poster {
    loop& in;
    const bool& done;
    int times = 0;
    void post() {
        in.call_soon([this] {
            if (!done && ++times < too_many) { post(); }
        });
    }
};

/// Options with which a finding sets `done`: what polls for that goes on until it is seen.
lint_options until_found(bool& done) {
    lint_options options;
    options.turns = 100;
    options.handler = [&done](const report::finding&) {
        done = true;
    };
    return options;
}

}  // namespace

// --- Coroutines, tasks and exceptions that get lost

TEST_CASE("a coroutine that nobody awaited is found where it was dropped") {
    linted_loop w;
    w.loop.run_until_complete(w.loop.create_task(forget(), "main"));
    REQUIRE(w.rules() == rule_list{"never-awaited"});
    const auto found = w.lints.findings()[0];
    CHECK(found.severity == report::severity::error);
    CHECK(found.where.function.ends_with("forget"));
    CHECK(without_lines(found.message)
          == "a coroutine was created and dropped without having been awaited, so that nothing of "
             "it ran; task 1 (main) dropped it, after lints_test.cpp:LINE in forget. Write co_await "
             "before the call, or give it to create_task.");
}

TEST_CASE("the same omission is found once, and counted") {
    linted_loop w;
    for (int i = 0; i < 3; ++i) {
        w.loop.run_until_complete(forget());
    }
    REQUIRE(w.rules() == rule_list{"never-awaited"});
    CHECK(w.lints.findings()[0].evidence.back().text == "3 times");
}

TEST_CASE("a coroutine's name comes from the symboliser, if there is one") {
    lint_options options;
    options.symbolise = [](const void* code) -> report::source_position {
        CHECK(code != nullptr);
        return {"src/a.cpp", 7, "forgotten"};
    };
    linted_loop w(options);
    w.loop.run_until_complete(w.loop.create_task(forget(), "main"));
    const auto found = w.lints.findings();
    REQUIRE(found.size() == 1);
    CHECK(found[0].message.starts_with("the coroutine forgotten was created and dropped without"));
    CHECK(found[0].evidence.back().label == "coroutine");
    CHECK(found[0].evidence.back().where.line == 7);
}

TEST_CASE("a coroutine that was awaited, or goes with an abandoned frame, is no omission") {
    linted_loop w;
    w.loop.run_until_complete(take_and_await(forgotten()));
    auto cancelled = w.loop.create_task(take_and_await(forgotten()));
    cancelled.cancel();
    w.loop.run_forever();
    CHECK(cancelled.cancelled());
    try {
        const auto dropped_by_exception = forgotten();
        throw std::runtime_error("unwinding");
    } catch (const std::runtime_error&) {}
    CHECK(w.rules().empty());
}

TEST_CASE("a task that is pending when its loop is closed is found") {
    linted_loop w;
    static_cast<void>(w.loop.create_task(wait_for_ever(), "watcher"));
    w.loop.run_forever();
    w.loop.close();
    REQUIRE(w.rules() == rule_list{"destroyed-pending"});
    const auto found = w.lints.findings()[0];
    CHECK(without_lines(found.message)
          == "task 1 (watcher) was destroyed while it was pending, because its loop was closed; it "
             "stood at lints_test.cpp:LINE in wait_for_ever. Await or cancel it before the loop is "
             "closed: run() does so at its end, a task_group at the end of its scope.");
    CHECK(found.evidence.size() == 2);
}

TEST_CASE("a loop that is closed with no task pending has nothing to tell") {
    linted_loop w;
    auto ended = w.loop.create_task(wait_for_ever());
    ended.cancel();
    w.loop.run_forever();
    w.loop.close();
    CHECK(w.rules().empty());
}

TEST_CASE("an exception that nobody retrieves is found with the task's creation") {
    linted_loop w;
    w.loop.run_until_complete(drop_failing_task());
    REQUIRE(w.rules() == rule_list{"lost-exception"});
    const auto found = w.lints.findings()[0];
    CHECK(without_lines(found.message)
          == "the exception of task 2 (writer), created at lints_test.cpp:LINE in "
             "drop_failing_task, was never retrieved: disk full. co_await it, ask for its "
             "result(), or start it in a task_group.");
    CHECK(w.v.reported.size() == 1);  // the exception handler is told as ever
}

TEST_CASE("the exception of a future that nobody retrieves is found") {
    linted_loop w;
    w.loop.create_future().set_exception(std::runtime_error("no route"));
    REQUIRE(w.rules() == rule_list{"lost-exception"});
    CHECK(w.lints.findings()[0].message.starts_with("the exception of future 1, created at "));
}

TEST_CASE("an exception that somebody asked for is not lost") {
    linted_loop w;
    w.loop.run_until_complete(ask_for_failure());
    CHECK(w.rules().empty());
}

// --- Spinning

TEST_CASE("a task that yields to poll is a busy loop") {
    bool done = false;
    linted_loop w(until_found(done));
    w.loop.run_until_complete(w.loop.create_task(poll(done), "checker"));
    REQUIRE(w.rules() == rule_list{"busy-loop"});
    const auto found = w.lints.findings()[0];
    CHECK(found.where.function.ends_with("poll"));
    CHECK(without_lines(found.message)
          == "task 1 (checker) came back 100 times in a row without having waited for anything, to "
             "lints_test.cpp:LINE in poll. Wait for what it polls for: an event, a condition, a "
             "queue's get(), a sleep of more than zero; if it splits a computation, do more "
             "between two yields.");
    CHECK(done);
}

TEST_CASE("a sleep of zero is no wait") {
    bool done = false;
    linted_loop w(until_found(done));
    w.loop.run_until_complete(poll_with_zero_sleep(done));
    REQUIRE(w.rules() == rule_list{"busy-loop"});
    CHECK(w.lints.findings()[0].where.function.ends_with("poll_with_zero_sleep"));
}

TEST_CASE("a busy loop is found once until it stops, and again when it is back") {
    bool done = false;
    auto options = until_found(done);
    options.handler = nullptr;
    linted_loop w(options);
    const auto spin_and_rest = [](int rounds) -> coro<> {
        for (int round = 0; round < rounds; ++round) {
            for (int i = 0; i < 2000; ++i) {
                co_await yield_now();
            }
            co_await sleep_for(1s);
            for (int i = 0; i < 3; ++i) {
                co_await sleep_for(1s);
            }
        }
    };
    w.loop.run_until_complete(spin_and_rest(1));
    REQUIRE(w.rules() == rule_list{"busy-loop"});
    CHECK(w.lints.findings()[0].evidence.back().label == "turns");
    w.loop.run_until_complete(spin_and_rest(3));
    REQUIRE(w.rules() == rule_list{"busy-loop"});
    CHECK(w.lints.findings()[0].evidence.back().text == "4 times");
}

TEST_CASE("a task that computes in parts, or sleeps, is no busy loop") {
    lint_options options;
    options.turns = 20;
    linted_loop w(options);
    w.loop.run_until_complete(compute_in_parts(60));
    w.loop.run_until_complete(sleep_often(2000));
    bool done = false;
    for (int i = 0; i < 50; ++i) {  // too short, each of them
        auto t = w.loop.create_task(poll(done));
        w.loop.call_soon([&w, &done] { w.loop.call_soon([&done] { done = true; }); });
        w.loop.run_until_complete(t);
        done = false;
    }
    CHECK(w.rules().empty());
}

TEST_CASE("a task that writes much in small parts and drains each is no busy loop") {
    lint_options options;
    options.turns = 100;
    linted_loop w(options);
    const auto write_much = [](int parts) -> coro<> {
        auto ends = co_await stream_pair::connect();
        for (int i = 0; i < parts; ++i) {
            ends.client.write("x");
            co_await ends.client.drain();
        }
    };
    w.loop.run_until_complete(write_much(1000));
    CHECK(w.rules().empty());
}

TEST_CASE("a callback that sets itself again in each pass is a busy loop") {
    bool done = false;
    linted_loop w(until_found(done));
    poster p{w.loop, done};
    p.post();
    w.loop.run_forever();
    REQUIRE(w.rules() == rule_list{"busy-loop"});
    CHECK(p.times < too_many);
    CHECK(without_lines(w.lints.findings()[0].message)
          == "a callback sets itself again in each pass of the loop, 100 times in a row, at "
             "lints_test.cpp:LINE in poster::post. Wait for what it polls "
             "for: a future, an event, a condition.");
}

TEST_CASE("many callbacks that others set are no busy loop") {
    lint_options options;
    options.turns = 20;
    linted_loop w(options);
    for (int i = 0; i < 1000; ++i) {
        w.loop.call_soon([] {});
    }
    w.loop.run_forever();
    CHECK(w.rules().empty());
}

TEST_CASE("a task that spins between several lines wakes itself") {
    bool done = false;
    linted_loop w(until_found(done));
    w.loop.run_until_complete(w.loop.create_task(poll_from_two_lines(done), "pair"));
    REQUIRE(w.rules() == rule_list{"self-waking"});
    CHECK(without_lines(w.lints.findings()[0].message)
          == "task 1 (pair) made itself ready again at the end of 100 steps in a row and did next "
             "to nothing in them, at last at lints_test.cpp:LINE in poll_from_two_lines. Wait for "
             "an event, a condition or a time instead; if it splits a computation, do more between "
             "two yields.");
}

// --- The object itself

TEST_CASE("a rule that is left out does not fire") {
    bool done = false;
    auto options = until_found(done);
    options.without = {lint_rule::busy_loop, lint_rule::never_awaited};
    linted_loop w(options);
    int turns = 0;
    w.loop.run_until_complete(forget());
    const auto spin = [](int& counted) -> coro<> {
        for (; counted < 2000; ++counted) {
            co_await yield_now();
        }
    };
    w.loop.run_until_complete(spin(turns));
    CHECK(w.rules().empty());
}

TEST_CASE("lints watch one loop") {
    linted_loop w;
    virtual_loop other;
    CHECK_THROWS_AS(w.lints.attach_to(other.loop), std::logic_error);
}

TEST_CASE("the handler is called at the first, second, fourth time, and no more once it threw") {
    int called = 0;
    lint_options options;
    options.handler = [&called](const report::finding& found) {
        CHECK(found.rule == "never-awaited");
        if (++called == 3) { throw std::runtime_error("enough"); }
    };
    linted_loop w(options);
    for (int i = 0; i < 9; ++i) {
        w.loop.run_until_complete(forget());
        CHECK(called == (i >= 3 ? 3 : i >= 1 ? 2 : 1));
    }
    REQUIRE(w.v.reported.size() == 1);
    CHECK(w.v.reported[0].message == "the handler of lints threw; it is not called again");
}

TEST_CASE("every rule has a name of its own") {
    CHECK(to_string(lint_rule::never_awaited) == "never-awaited");
    CHECK(to_string(lint_rule::wrong_thread) == "wrong-thread");
}
