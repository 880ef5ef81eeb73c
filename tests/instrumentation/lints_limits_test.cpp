// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/lints.hpp>

#include <coroscope/runtime/event.hpp>
#include <coroscope/runtime/future.hpp>
#include <coroscope/runtime/mutex.hpp>
#include <coroscope/runtime/queue.hpp>
#include <coroscope/runtime/semaphore.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "instrumentation/linted_loop.hpp"
#include "support/catch.hpp"

#include <array>
#include <map>
#include <string>
#include <thread>

using namespace coroscope;
using namespace coroscope::instrumentation;
using namespace std::chrono_literals;

namespace {

/// Whether a coroutine's variables lie in front of what it awaits in its frame, so that handles in
/// them are found. clang sorts by size.
#if defined(__clang__)
constexpr bool variables_come_first = false;
#else
constexpr bool variables_come_first = true;
#endif

coro<> wait_for(event& e) {
    co_await e.wait();
}

/// One that comes each second and never goes; or all at once.
coro<> leak(event& never, int how_many, duration between) {
    for (int i = 0; i < how_many; ++i) {
        static_cast<void>(get_running_loop().create_task(wait_for(never)));
        if (between > 0s) { co_await sleep_for(between); }
    }
    co_await sleep_for(1s);
}

coro<> short_lived() {
    co_await sleep_for(1s);
}

coro<> serve(int how_many) {
    for (int i = 0; i < how_many; ++i) {
        static_cast<void>(get_running_loop().create_task(short_lived()));
        co_await sleep_for(1s);
    }
}

coro<> hold_much() {
    std::array<char, 100'000> much{};
    much[0] = 'x';
    co_await yield_now();
    CHECK(much[0] == 'x');
}

coro<> hold_little() {
    std::array<char, 3000> little{};
    little[0] = 'x';
    co_await yield_now();
    CHECK(little[0] == 'x');
}

coro<> call_large() {
    co_await yield_now();
    co_await hold_little();
    co_await hold_much();
}

coro<> lock_often(mutex& m, int times, bool yields) {
    for (int i = 0; i < times; ++i) {
        co_await m.lock();
        m.unlock();
        if (yields) { co_await yield_now(); }
    }
}

coro<> lock_many(std::vector<mutex>& all) {
    for (int round = 0; round < 3; ++round) {
        for (std::size_t i = 0; i + 1 < all.size(); i += 2) {
            co_await all[i].lock();
            all[i].unlock();
        }
    }
}

coro<> wait_for_own_future() {
    auto answer = get_running_loop().create_future<int>();
    const int n = co_await answer;
    CHECK(n == 0);
}

using pending_map = std::map<int, future<int>>;

coro<> ask(pending_map& pending) {
    auto answer = get_running_loop().create_future<int>();
    pending[1] = answer;
    const int n = co_await answer;
    CHECK(n == 5);
}

coro<> ask_in_place(pending_map& pending) {
    pending[1] = get_running_loop().create_future<int>();
    const int n = co_await pending[1];
    CHECK(n == 5);
}

coro<> lock_and_go(mutex& m) {
    co_await m.lock();
}

coro<> lock_and_unlock(mutex& m) {
    co_await m.lock();
    m.unlock();
}

coro<> hold_for_an_hour(mutex& m) {
    co_await m.lock();
    co_await sleep_for(1h);
    m.unlock();
}

coro<> try_to_get(queue<int>& q, int times, int& left) {
    for (left = times; left > 0; --left) {
        try {
            static_cast<void>(q.get_nowait());
        } catch (const queue_empty&) {}
        co_await yield_now();
    }
}

coro<> scan_queues(std::vector<queue<int>>& queues) {
    for (auto& q : queues) {
        try {
            static_cast<void>(q.get_nowait());
        } catch (const queue_empty&) {}
    }
    co_await sleep_for(1s);
}

coro<> put_and_sleep(queue<int>& q, int times) {
    for (int i = 0; i < times; ++i) {
        try {
            q.put_nowait(1);
            q.put_nowait(1);
        } catch (const queue_full&) {}
        co_await sleep_for(1s);
    }
}

/// A step that a watchdog saw in this system call, or computing.
report::slow_step step_in(const std::string& system_call) {
    report::slow_step step;
    auto& cause = step.cause.emplace();
    cause.verdict =
        system_call.empty() ? report::step_verdict::computing : report::step_verdict::blocked;
    cause.system_call = system_call;
    step.task_id = 7;
    step.name = "serve";
    step.created_at = {"src/main.cpp", 20, "main"};
    step.from = {"src/state.cpp", 41, "read_menu"};
    step.to = {"src/state.cpp", 57, "read_menu"};
    step.wall = 150ms;
    return step;
}

}  // namespace

// --- Growth

TEST_CASE("tasks of one place that become more and more are found with where they wait") {
    lint_options options;
    options.tasks = 100;
    linted_loop w(options);
    event never;
    w.loop.run_until_complete(leak(never, 150, 1s));
    REQUIRE(w.rules() == rule_list{"task-growth"});
    const auto found = w.lints.findings()[0];
    CHECK(found.verdict == report::verdict::predicted);
    CHECK(found.where.function.ends_with("leak"));
    CHECK(without_lines(found.message)
          == "100 unfinished tasks (of 101) were created at lints_limits_test.cpp:LINE in leak, and "
             "they become more and more; most wait at lints_limits_test.cpp:LINE in wait_for. If "
             "they should end, find out why they do not; if so many may come, bound them: a "
             "semaphore, a queue with a capacity.");
}

TEST_CASE("growth is told again when it has doubled, and when it had gone meanwhile") {
    lint_options options;
    options.tasks = 100;
    linted_loop w(options);
    event never;
    w.loop.run_until_complete(leak(never, 250, 1s));
    REQUIRE(w.rules() == rule_list{"task-growth"});
    CHECK(w.lints.findings()[0].evidence.back().text == "2 times");
    never.set();
    w.loop.run_until_complete(serve(5));
    never.clear();
    w.loop.run_until_complete(leak(never, 110, 1s));
    REQUIRE(w.rules() == rule_list{"task-growth"});
    CHECK(w.lints.findings()[0].evidence.back().text == "3 times");
}

TEST_CASE("a burst of tasks is no growth, nor are many that end") {
    lint_options options;
    options.tasks = 100;
    linted_loop w(options);
    event never;
    w.loop.run_until_complete(leak(never, 300, 0s));
    never.set();
    w.loop.run_until_complete(serve(500));
    CHECK(w.rules().empty());
}

TEST_CASE("very many timers of one place are a flood") {
    lint_options options;
    options.timers = 100;
    linted_loop w(options);
    const auto arm = [](int how_many) -> coro<> {
        for (int i = 0; i < how_many; ++i) {
            static_cast<void>(get_running_loop().call_later(24h, [] {}));
        }
        co_await sleep_for(1s);
    };
    w.loop.run_until_complete(arm(99));
    CHECK(w.rules().empty());
    w.loop.run_until_complete(arm(5));
    REQUIRE(w.rules() == rule_list{"timer-flood"});
    CHECK(w.lints.findings()[0].message.starts_with("104 timers (of 105) are armed at "));
    CHECK(
        w.lints.findings()[0].message.ends_with(". Cancel timers that are not needed any more, or "
                                                "keep one for all: a task that sleeps until "
                                                "the next of the deadlines."));
}

TEST_CASE("timers that are cancelled, or of many places, are no flood") {
    lint_options options;
    options.timers = 100;
    linted_loop w(options);
    const auto arm_and_cancel = [](int how_many) -> coro<> {
        for (int i = 0; i < how_many; ++i) {
            auto timer = get_running_loop().call_later(24h, [] {});
            timer.cancel();
        }
        for (int i = 0; i < 60; ++i) {
            static_cast<void>(get_running_loop().call_later(24h, [] {}));
            static_cast<void>(get_running_loop().call_later(25h, [] {}));
        }
        co_await sleep_for(1s);
    };
    w.loop.run_until_complete(arm_and_cancel(1000));
    CHECK(w.rules().empty());
}

// --- Frames and steps

TEST_CASE("a coroutine with a very large frame is found, with whom it was called by") {
    linted_loop w;
    w.loop.run_until_complete(w.loop.create_task(call_large(), "large"));
    REQUIRE(w.rules() == rule_list{"huge-frame"});
    const auto found = w.lints.findings()[0];
    CHECK(found.severity == report::severity::note);
    CHECK(found.message.starts_with("a coroutine that task 1 (large) called after "));
    CHECK(found.message.ends_with(
        " bytes. What lives across a co_await lies in the frame: put large arrays on the heap, or "
        "into a function that does not await."));
}

TEST_CASE("a step that locks and unlocks over and over never yields") {
    linted_loop w;
    mutex m;
    w.loop.run_until_complete(w.loop.create_task(lock_often(m, 50, false), "quotes"));
    REQUIRE(w.rules() == rule_list{"never-yields"});
    CHECK(without_lines(w.lints.findings()[0].message)
          == "task 1 (quotes) has passed lints_limits_test.cpp:LINE in lock_often 16 times in one "
             "step: what it awaits is free each time, so that it never suspends and nothing else "
             "runs. co_await yield_now(), or a sleep, in each round.");
}

TEST_CASE("a task that yields between its locks, or locks less often in a step, is fine") {
    linted_loop w;
    mutex m;
    w.loop.run_until_complete(lock_often(m, 100, true));
    w.loop.run_until_complete(lock_often(m, 15, false));
    std::vector<mutex> many(10);
    w.loop.run_until_complete(lock_many(many));
    CHECK(w.rules().empty());
    loop_options without_stats;  // nobody knows then what is one step
    without_stats.time_stats = false;
    linted_loop unmeasured({}, without_stats);
    unmeasured.loop.run_until_complete(lock_often(m, 100, true));
    CHECK(unmeasured.rules().empty());
}

// --- Attempts

TEST_CASE("a task that tries an empty queue in each of its steps is a busy loop") {
    linted_loop w;
    queue<int> q;
    int left = 0;
    w.loop.run_until_complete(w.loop.create_task(try_to_get(q, 20, left), "worker"));
    REQUIRE(w.rules() == rule_list{"busy-loop"});
    CHECK(without_lines(w.lints.findings()[0].message)
          == "task 1 (worker) polls: queue::get_nowait failed on queue 0 in 5 steps in a row, and it "
             "waited for nothing between them, at lints_limits_test.cpp:LINE in try_to_get. Await "
             "get() instead.");
}

TEST_CASE("a task that tries many queues in one step, or sleeps between attempts, is fine") {
    linted_loop w;
    std::vector<queue<int>> queues(20);
    w.loop.run_until_complete(scan_queues(queues));
    queue<int> full(1);
    w.loop.run_until_complete(put_and_sleep(full, 20));
    queue<int> q;
    int left = 0;
    w.loop.run_until_complete(try_to_get(q, 4, left));
    CHECK(w.rules().empty());
}

// --- What can never go on

TEST_CASE("a future to which only its waiter has a handle can never be set") {
    linted_loop w;
    static_cast<void>(w.loop.create_task(wait_for_own_future(), "asker"));
    w.loop.run_forever();
    if (!variables_come_first && w.rules().empty()) { return; }
    REQUIRE(w.rules() == rule_list{"never-resumable"});
    const auto found = w.lints.findings()[0];
    CHECK(found.severity == report::severity::error);
    CHECK(without_lines(found.message)
          == "task 1 (asker) can never go on: at lints_limits_test.cpp:LINE in wait_for_own_future "
             "it waits for future 1, to which nobody else has a handle. Keep what is to end the "
             "wait, or wait with a timeout (wait_for).");
}

TEST_CASE("a request that is forgotten while it is pending can never be answered") {
    linted_loop w;
    pending_map pending;
    static_cast<void>(w.loop.create_task(ask(pending)));
    w.loop.run_forever();
    CHECK(w.rules().empty());
    pending.clear();
    w.loop.run_until_complete(short_lived());
    if (!variables_come_first && w.rules().empty()) { return; }
    CHECK(w.rules() == rule_list{"never-resumable"});
}

TEST_CASE("a future that somebody can set is fine, however it is awaited") {
    linted_loop w;
    pending_map pending;
    auto first = w.loop.create_task(ask(pending));
    w.loop.run_until_complete(short_lived());
    pending[1].set_result(5);
    w.loop.run_until_complete(first);
    auto second = w.loop.create_task(ask_in_place(pending));
    w.loop.run_until_complete(short_lived());
    pending[1].set_result(5);
    w.loop.run_until_complete(second);
    CHECK(w.rules().empty());
}

TEST_CASE("a mutex whose holder has ended can never be locked again") {
    linted_loop w;
    mutex m;
    w.loop.run_until_complete(lock_and_go(m));
    static_cast<void>(w.loop.create_task(lock_and_unlock(m), "second"));
    w.loop.run_forever();
    REQUIRE(w.rules() == rule_list{"never-resumable"});
    CHECK(w.lints.findings()[0].message.find(
              "it waits for a mutex that task 1 held when it ended, and never unlocked.")
          != std::string::npos);
}

TEST_CASE("a task that can never go on is told once, however often one looks") {
    linted_loop w;
    mutex m;
    w.loop.run_until_complete(lock_and_go(m));
    static_cast<void>(w.loop.create_task(lock_and_unlock(m)));
    for (int i = 0; i < 10; ++i) {
        w.loop.run_until_complete(short_lived());
    }
    REQUIRE(w.rules() == rule_list{"never-resumable"});
    CHECK(w.lints.findings()[0].evidence.back().label == "waits for");
}

TEST_CASE("a mutex whose holder sleeps comes in time") {
    linted_loop w;
    mutex m;
    static_cast<void>(w.loop.create_task(hold_for_an_hour(m)));
    w.loop.run_until_complete(lock_and_unlock(m));
    CHECK(w.rules().empty());
}

// --- Threads and system calls

TEST_CASE("use of the loop from another thread is found in debug mode", "[threads]") {
    loop_options debug;
    debug.debug = true;
    linted_loop w({}, debug);
    w.v.clock.waits_for_others = true;
    auto& l = w.loop;
    l.call_soon([&l] {
        std::thread other([&l] {
            CHECK_THROWS_AS(l.call_later(1s, [] {}), std::logic_error);
            l.stop_threadsafe();
        });
        other.join();
    });
    l.run_forever();
    REQUIRE(w.rules() == rule_list{"wrong-thread"});
    const auto message = w.lints.findings()[0].message;
    CHECK(message.starts_with("loop::call_at was called from thread "));
    CHECK(message.ends_with("; use call_soon_threadsafe to reach a loop from another thread."));
}

TEST_CASE("ways into the loop from other threads are fine", "[threads]") {
    loop_options debug;
    debug.debug = true;
    linted_loop w({}, debug);
    w.v.clock.waits_for_others = true;
    auto& l = w.loop;
    l.call_soon([&l] {
        std::thread other([&l] {
            l.call_soon_threadsafe([] {});
            l.stop_threadsafe();
        });
        other.join();
    });
    l.run_forever();
    CHECK(w.rules().empty());
}

TEST_CASE("a slow step that slept in a system call is a blocking call") {
    lints watching;
    watching.note_slow_step(step_in("clock_nanosleep"));
    watching.note_slow_step(step_in("clock_nanosleep"));
    const auto found = watching.findings();
    REQUIRE(found.size() == 1);
    CHECK(found[0].rule == "blocking-call");
    CHECK(found[0].where.line == 41);
    CHECK(found[0].message
          == "task 7 (serve) sleeps on the loop's thread, in clock_nanosleep, for 150 ms: "
             "src/state.cpp:41 to line 57. Nothing else runs meanwhile: co_await sleep_for.");
    CHECK(found[0].evidence.back().text == "2 times");
}

TEST_CASE("a stack that leads through getaddrinfo says more than the call at its end") {
    lints watching;
    auto step = step_in("poll");
    step.stack.emplace();
    step.stack->frames.push_back({"__libc_recvfrom", "", 0, "libc.so.6", 0, false});
    step.stack->frames.push_back({"getaddrinfo", "", 0, "libc.so.6", 0, false});
    watching.note_slow_step(step);
    REQUIRE(watching.findings().size() == 1);
    CHECK(watching.findings()[0].message.find("resolves a name") != std::string::npos);
    CHECK(watching.findings()[0].message.ends_with("co_await getaddrinfo."));
}

TEST_CASE("a step that computed, or whose call does not wait, is no blocking call") {
    lints watching;
    watching.note_slow_step(step_in(""));
    watching.note_slow_step(step_in("getpid"));
    auto not_watched = step_in("read");
    not_watched.cause.reset();
    watching.note_slow_step(not_watched);
    auto not_scheduled = step_in("read");
    not_scheduled.cause->verdict = report::step_verdict::not_scheduled;
    watching.note_slow_step(not_scheduled);
    CHECK(watching.findings().empty());
}
