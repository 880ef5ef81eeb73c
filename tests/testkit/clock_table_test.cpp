// SPDX-License-Identifier: Apache-2.0
// What a test's clock does with everything that goes by time: timers, intervals, wall clocks,
// locks, signals, pipes, children; and with other loops beside.
#include <coroscope/testkit/test_run.hpp>

#include "support/catch.hpp"

#include <coroscope/instrumentation/slow.hpp>
#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/descriptors.hpp>
#include <coroscope/runtime/event.hpp>
#include <coroscope/runtime/interval.hpp>
#include <coroscope/runtime/mutex.hpp>
#include <coroscope/runtime/signal_handlers.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/runtime/subprocess.hpp>
#include <coroscope/runtime/timer.hpp>
#include <coroscope/runtime/wait.hpp>
#include <coroscope/runtime/wall_clock.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <array>
#include <csignal>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

using namespace std::chrono_literals;
using coroscope::coro;
using coroscope::duration;
using coroscope::wall_clock;
using coroscope::testkit::fake_clock;
using coroscope::testkit::io_policy;
using coroscope::testkit::run_test;
using coroscope::testkit::test_options;
using coroscope::testkit::test_result;
using coroscope::testkit::this_test;

namespace {

void check(const test_result& result) {
    INFO(to_string(result));
    CHECK(result.ok());
}

[[nodiscard]] duration elapsed() {
    return this_test().clock().elapsed();
}

}  // namespace

TEST_CASE("sleep_for of nothing and yield_now are one trip through the queue, in no time",
          "[fake_clock]") {
    const auto body = []() -> coro<> {
        std::string order;
        const auto note = [](std::string& to, char who, bool sleeps) -> coro<> {
            for (int i = 0; i < 3; ++i) {
                to += who;
                if (sleeps) {
                    co_await coroscope::sleep_for(0s);
                } else {
                    co_await coroscope::yield_now();
                }
            }
        };
        co_await coroscope::gather(note(order, 'a', true), note(order, 'b', false),
                                   note(order, 'c', true));
        CHECK(order == "abcabcabc");
        CHECK(elapsed() == 0s);
    };
    check(run_test(body));
}

TEST_CASE("a mutex that is held across a sleep lets time move on", "[fake_clock]") {
    const auto body = []() -> coro<> {
        coroscope::mutex m;
        const auto hold = [](coroscope::mutex& of) -> coro<> {
            const auto held = co_await of.scoped();
            co_await coroscope::sleep_for(1h);
        };
        co_await coroscope::gather(hold(m), hold(m), hold(m));
        CHECK(elapsed() == 3h);
    };
    check(run_test(body));
}

TEST_CASE("a callback that is due but has not run can still be cancelled", "[fake_clock]") {
    const auto body = []() -> coro<> {
        auto& l = this_test().loop();
        int calls = 0;
        coroscope::timer_handle second;
        const auto cancel_second = [&second, &calls] {
            ++calls;
            second.cancel();
        };
        const auto never = [&calls] {
            calls += 100;
        };
        l.call_later(1s, cancel_second);
        second = l.call_later(1s, never);
        co_await coroscope::sleep_for(1s);
        co_await this_test().clock().run_ready();
        CHECK(calls == 1);
        CHECK(second.cancelled());
    };
    check(run_test(body));
}

TEST_CASE("a timer that expired in the very step that cancels it completes once", "[fake_clock]") {
    const auto body = []() -> coro<> {
        coroscope::timer alarm;
        int completions = 0;
        bool expired = true;
        const auto wait = [](coroscope::timer& t, int& count, bool& how) -> coro<> {
            how = co_await t.wait();
            ++count;
        };
        alarm.expires_after(1s);
        const auto cancel = [&alarm] {
            CHECK(alarm.cancel() == 1);
        };
        this_test().loop().call_later(1s, cancel);  // due before the wait, at the same instant
        co_await wait(alarm, completions, expired);
        co_await coroscope::sleep_for(1h);
        CHECK(completions == 1);
        CHECK_FALSE(expired);
    };
    check(run_test(body));
}

TEST_CASE("a timer that is moved keeps time with jumps and advances", "[fake_clock]") {
    const auto body = []() -> coro<> {
        coroscope::timer alarm;
        auto& clock = this_test().clock();
        const auto wait = [](coroscope::timer& t) -> coro<duration> {
            static_cast<void>(co_await t.wait());
            co_return elapsed();
        };
        alarm.expires_after(10s);
        auto waiting = this_test().loop().create_task(wait(alarm));
        co_await clock.advance(5s);
        alarm.reset(10s);
        co_await clock.advance(9s);
        CHECK_FALSE(waiting.done());
        CHECK(clock.pending_timers() == std::vector{clock.now() + 1s});
        co_await clock.jump(1h);
        CHECK(waiting.result() == 1h + 14s);
    };
    check(run_test(body));
}

TEST_CASE("an interval makes up for a jump, or does not, as it was told", "[fake_clock]") {
    const auto ticks_after_jump = [](coroscope::missed_tick how) -> coro<int> {
        coroscope::interval every(1min, how);
        static_cast<void>(co_await every.tick());
        co_await this_test().clock().jump(1h);
        int at_once = 0;
        const auto now = elapsed();
        for (;;) {
            static_cast<void>(co_await every.tick());
            if (elapsed() != now) { break; }
            ++at_once;
        }
        co_return at_once;
    };
    const auto body = [](auto& count) -> coro<> {
        const int burst = co_await count(coroscope::missed_tick::burst);
        CHECK(burst == 60);
        const int delay = co_await count(coroscope::missed_tick::delay);
        CHECK(delay == 1);
        const int skip = co_await count(coroscope::missed_tick::skip);
        CHECK(skip == 1);
    };
    check(run_test([&] { return body(ticks_after_jump); }));
}

TEST_CASE("the wall clock follows virtual time, and shifting it moves no timer", "[fake_clock]") {
    const auto body = []() -> coro<> {
        auto& clock = this_test().clock();
        CHECK(wall_clock::now() == fake_clock::wall_start);
        const auto nap = []() -> coro<> {
            co_await coroscope::sleep_for(1h);
        };
        auto sleeper = this_test().loop().create_task(nap());
        co_await clock.advance(30min);
        CHECK(wall_clock::now() == fake_clock::wall_start + 30min);
        clock.shift_wall_time(-24h);
        CHECK(wall_clock::now() == fake_clock::wall_start + 30min - 24h);
        CHECK(elapsed() == 30min);
        co_await clock.advance(29min);
        CHECK_FALSE(sleeper.done());
        const wall_clock::time_point leap{std::chrono::sys_days{2024y / 2 / 29}};
        clock.set_wall_time(leap);
        co_await clock.advance(1min);
        CHECK(sleeper.done());
        CHECK(wall_clock::now() == leap + 1min);
    };
    check(run_test(body));
}

TEST_CASE("a jump of ten hours is no slow callback", "[fake_clock]") {
    std::vector<std::string> slow;
    coroscope::instrumentation::slow_spotter spotter;
    test_options options;
    options.fail_on = {"slow-step"};
    options.make_loop = [&](const coroscope::loop_options& given) {
        auto with_limit = given;
        with_limit.slow_callback_duration = 1h;  // of real time
        auto made = std::make_unique<coroscope::loop>(with_limit);
        spotter.attach_to(*made);
        return made;
    };
    const auto body = []() -> coro<> {
        auto& clock = this_test().clock();
        this_test().loop().call_later(1h, [] {});
        co_await clock.jump(10h);
        co_await clock.advance(10h);
        co_await coroscope::sleep_for(10h);
    };
    check(run_test(body, options));
    CHECK(spotter.records().empty());
}

TEST_CASE("an advance never resumes the task that advances before its time", "[fake_clock]") {
    const auto body = []() -> coro<> {
        bool is_inside = false;
        int entered_while_inside = 0;
        const auto look = [&is_inside, &entered_while_inside] {
            entered_while_inside += is_inside ? 1 : 0;
        };
        for (int i = 1; i <= 5; ++i) {
            this_test().loop().call_later(i * 1s, look);
        }
        coroscope::event poked;
        const auto poke = [&poked] {
            poked.set();
        };
        this_test().loop().call_later(2s, poke);
        is_inside = true;
        co_await this_test().clock().advance(5s);
        is_inside = false;
        CHECK(entered_while_inside == 5);
        CHECK(elapsed() == 5s);
    };
    check(run_test(body));
}

// --- Several loops

namespace {

struct clocked_loop {
    fake_clock clock;
    coroscope::loop loop{with(clock)};

    static coroscope::loop_options with(fake_clock& c) {
        coroscope::loop_options options;
        options.clock = &c;
        return options;
    }
};

}  // namespace

TEST_CASE("clocks of several loops of one thread do not disturb each other", "[fake_clock]") {
    clocked_loop a;
    clocked_loop b;
    int fired_a = 0;
    int fired_b = 0;
    a.loop.call_later(1h, [&] { ++fired_a; });
    b.loop.call_later(1h, [&] { ++fired_b; });
    a.clock.advance(1h);
    CHECK(fired_a == 1);
    CHECK(fired_b == 0);
    CHECK(b.clock.elapsed() == 0s);
    b.clock.shift_wall_time(1h);
    b.clock.advance(2h);
    CHECK(fired_b == 1);
    CHECK(a.clock.elapsed() == 1h);
    CHECK(a.clock.wall_now() == fake_clock::wall_start + 1h);
    CHECK(b.clock.wall_now() == fake_clock::wall_start + 3h);
}

TEST_CASE("a test may run loops of its own, each with its clock", "[fake_clock]") {
    const auto body = []() -> coro<> {
        std::jthread other([] {
            clocked_loop inner;
            const auto day = []() -> coro<> {
                co_await coroscope::sleep_for(24h);
            };
            inner.loop.run_until_complete(day());
            CHECK(inner.clock.elapsed() == 24h);
        });
        other.join();
        CHECK(elapsed() == 0s);
        co_return;
    };
    check(run_test(body));
}

TEST_CASE("tests in several threads have clocks of their own", "[fake_clock][threads]") {
    std::array<duration, 4> took{};
    {
        std::vector<std::jthread> threads;
        for (std::size_t i = 0; i < took.size(); ++i) {
            threads.emplace_back([&took, i] {
                const auto body = [](int hours) -> coro<> {
                    for (int n = 0; n < 1000; ++n) {
                        co_await coroscope::sleep_for(std::chrono::hours(hours));
                    }
                };
                took[i] = run_test([&] { return body(static_cast<int>(i)); }).virtual_elapsed;
            });
        }
    }
    for (std::size_t i = 0; i < took.size(); ++i) {
        CHECK(took[i] == std::chrono::hours(1000 * i));
    }
}

// --- Handlers of Asio

TEST_CASE("what is given to Asio runs before virtual time moves, again and again", "[fake_clock]") {
    const auto body = []() -> coro<> {
        auto& io = this_test().loop().io_context();
        for (int round = 0; round < 3; ++round) {
            co_await coroscope::sleep_for(1h);  // with nothing in Asio
            std::vector<duration> ran;
            const auto last = [&ran] {
                ran.push_back(elapsed());
            };
            const auto first = [&ran, &io, last] {
                ran.push_back(elapsed());
                boost::asio::post(io, last);
            };
            boost::asio::post(io, first);
            co_await coroscope::sleep_for(1ns);
            CHECK(ran == std::vector<duration>(2, (round + 1) * 1h + round * 1ns));
        }
    };
    check(run_test(body));
}

// --- Signals, pipes, children

TEST_CASE("a signal that is waited for holds virtual time", "[fake_clock]") {
    const auto body = []() -> coro<> {
        coroscope::event arrived;
        const auto note = [&arrived] {
            arrived.set();
        };
        coroscope::add_signal_handler(this_test().loop(), SIGUSR1, note);
        ::raise(SIGUSR1);
        co_await coroscope::wait_for(arrived.wait(), 1ms);
        CHECK(elapsed() == 0s);
        coroscope::remove_signal_handler(this_test().loop(), SIGUSR1);
        co_await coroscope::sleep_for(1h);
    };
    check(run_test(body));
}

TEST_CASE("a signal that does not come holds virtual time for a cushion", "[fake_clock]") {
    test_options options;
    options.io_policy = io_policy::hold(20ms);
    const auto body = []() -> coro<> {
        coroscope::add_signal_handler(this_test().loop(), SIGUSR1, [] {});
        co_await coroscope::sleep_for(1h);
        co_await coroscope::sleep_for(1h);
        coroscope::remove_signal_handler(this_test().loop(), SIGUSR1);
    };
    const auto began = std::chrono::steady_clock::now();
    const auto result = run_test(body, options);
    check(result);
    CHECK(std::chrono::steady_clock::now() - began >= 20ms);
    REQUIRE(result.notes.size() == 1);
    CHECK(
        result.notes[0].starts_with("virtual time went on though I/O was in flight: "
                                    "an operation, descriptor or signal that no task awaits"));
}

TEST_CASE("a pipe that is watched holds virtual time", "[fake_clock]") {
    const auto body = []() -> coro<> {
        std::array<int, 2> ends{};
        CHECK(::pipe(ends.data()) == 0);
        coroscope::event readable;
        const auto note = [&readable, in = ends[0]] {
            readable.set();
            coroscope::remove_reader(this_test().loop(), in);
        };
        coroscope::add_reader(this_test().loop(), ends[0], note);
        CHECK(::write(ends[1], "x", 1) == 1);
        co_await coroscope::wait_for(readable.wait(), 1ms);
        CHECK(elapsed() == 0s);
        ::close(ends[0]);
        ::close(ends[1]);
    };
    check(run_test(body));
}

TEST_CASE("a child process that is waited for holds virtual time", "[fake_clock][threads]") {
    test_options options;
    options.io_policy = io_policy::hold(1h);
    options.time_limit = 0s;
    const auto body = []() -> coro<> {
        coroscope::subprocess_options pipes;
        pipes.input = coroscope::redirect::pipe();
        pipes.output = coroscope::redirect::pipe();
        auto child =
            co_await coroscope::create_subprocess_exec(coroscope::command("/bin/cat"), pipes);
        const auto ended = co_await coroscope::wait_for(child.communicate("hello"), 1ms);
        CHECK(ended.output == "hello");
        CHECK(elapsed() == 0s);
    };
    check(run_test(body, options));
}
