// SPDX-License-Identifier: Apache-2.0
#include <coroscope/testkit/fake_clock.hpp>

#include "support/catch.hpp"

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>

#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using coroscope::coro;
using coroscope::duration;
using coroscope::time_point;
using coroscope::testkit::fake_clock;

namespace {

constexpr time_point at(duration d) {
    return time_point(d);
}

/// A loop under a fake clock, and a log of what happened when.
struct clocked_loop {
    fake_clock clock;
    coroscope::loop loop{options()};
    std::vector<std::pair<std::string, duration>> log;

    coroscope::loop_options options() {
        coroscope::loop_options o;
        o.clock = &clock;
        return o;
    }
    void note(const std::string& what) { log.emplace_back(what, clock.elapsed()); }
    void later(duration d, const std::string& what) {
        loop.call_later(d, [this, what] { note(what); });
    }
};

using entries = std::vector<std::pair<std::string, duration>>;

coro<> sleep_and_note(clocked_loop& c, duration d, std::string what) {
    co_await coroscope::sleep_for(d);
    c.note(what);
}

}  // namespace

TEST_CASE("a fake clock starts at zero and stands still", "[fake_clock]") {
    clocked_loop c;
    CHECK(c.clock.now() == at(0s));
    c.later(1s, "one");
    c.loop.call_soon([&] { c.loop.stop(); });
    c.loop.run_forever();
    CHECK(c.clock.elapsed() == 0s);
    CHECK(c.log.empty());
    CHECK(fake_clock(at(5s)).now() == at(5s));
    CHECK(fake_clock(at(5s)).elapsed() == 0s);
}

TEST_CASE("an advance is exact to the nanosecond", "[fake_clock]") {
    fake_clock clock;
    clock.advance(200ms);
    clock.advance(90ms);
    CHECK(clock.elapsed() == 290ms);
    clock.advance(1ns);
    CHECK(clock.elapsed() == 290'000'001ns);
}

TEST_CASE("an advance includes its target, and callbacks see their deadline", "[fake_clock]") {
    clocked_loop c;
    c.later(3s, "three");
    c.later(1s, "one");
    c.later(2s, "two");
    c.clock.advance(2s);
    CHECK(c.log == entries{{"one", 1s}, {"two", 2s}});
    CHECK(c.clock.elapsed() == 2s);
    c.clock.advance(10s);
    CHECK(c.log.back() == entries::value_type("three", 3s));
    CHECK(c.clock.elapsed() == 12s);
}

TEST_CASE("equal deadlines fire in the order they were armed", "[fake_clock]") {
    clocked_loop c;
    for (const char* name : {"a", "b", "c", "d"}) {
        c.later(1s, name);
    }
    c.clock.advance(1s);
    CHECK(c.log == entries{{"a", 1s}, {"b", 1s}, {"c", 1s}, {"d", 1s}});
}

TEST_CASE("timers armed on the way fire on time", "[fake_clock]") {
    clocked_loop c;
    c.loop.call_later(1s, [&] {
        c.note("first");
        c.later(500ms, "second");
        c.later(5s, "too late");
    });
    c.clock.advance(3s);
    CHECK(c.log == entries{{"first", 1s}, {"second", 1500ms}});
}

TEST_CASE("a thousand small advances are one large one", "[fake_clock]") {
    const auto run = [](int steps) {
        clocked_loop c;
        c.loop.create_task(sleep_and_note(c, 300ms, "a"));
        c.loop.create_task(sleep_and_note(c, 1s, "b"));
        c.later(999'999'999ns, "c");
        for (int i = 0; i < steps; ++i) {
            c.clock.advance(duration(1s) / steps);
        }
        return c.log;
    };
    const auto once = run(1);
    CHECK(once == entries{{"a", 300ms}, {"c", 999'999'999ns}, {"b", 1s}});
    CHECK(run(1000) == once);
}

TEST_CASE("an advance is settled: chains of tasks run to the end on the way", "[fake_clock]") {
    clocked_loop c;
    const auto chain = [](clocked_loop& l) -> coro<> {
        for (int i = 1; i <= 3; ++i) {
            co_await coroscope::sleep_for(1s);
            for (int j = 0; j < 10; ++j) {
                co_await coroscope::yield_now();
            }
            l.note("round " + std::to_string(i));
        }
    };
    c.loop.create_task(chain(c));
    c.clock.advance(3s);
    CHECK(c.log == entries{{"round 1", 1s}, {"round 2", 2s}, {"round 3", 3s}});
}

TEST_CASE("advance_to_before excludes its instant", "[fake_clock]") {
    clocked_loop c;
    c.later(1s, "at");
    c.later(999'999'999ns, "before");
    c.clock.advance_to_before(at(1s));
    CHECK(c.log == entries{{"before", 999'999'999ns}});
    CHECK(c.clock.elapsed() == 999'999'999ns);
    CHECK_THROWS_AS(c.clock.advance_to_before(c.clock.now()), std::invalid_argument);
    c.clock.advance(1ns);
    CHECK(c.log.back() == entries::value_type("at", 1s));
}

TEST_CASE("advance_to_next goes to exactly one deadline", "[fake_clock]") {
    clocked_loop c;
    c.later(2h, "b");
    c.later(1h, "a");
    c.clock.advance_to_next();
    CHECK(c.log == entries{{"a", 1h}});
    c.clock.advance_to_next();
    CHECK(c.log == entries{{"a", 1h}, {"b", 2h}});
    CHECK_THROWS_AS(c.clock.advance_to_next(), coroscope::invalid_state_error);
    CHECK(c.clock.elapsed() == 2h);
}

TEST_CASE("advance_to_next settles first", "[fake_clock]") {
    clocked_loop c;
    c.later(2s, "callback");
    c.loop.create_task(sleep_and_note(c, 1s, "task"));
    c.clock.advance_to_next();
    CHECK(c.log == entries{{"task", 1s}});
}

TEST_CASE("run_ready runs what is ready and moves no time", "[fake_clock]") {
    clocked_loop c;
    c.later(0s, "zero");
    c.later(1ns, "one");
    c.loop.call_soon([&] {
        c.note("soon");
        c.loop.call_soon([&] { c.note("sooner"); });
    });
    c.clock.run_ready();
    CHECK(c.log == entries{{"zero", 0s}, {"soon", 0s}, {"sooner", 0s}});
    CHECK(c.clock.elapsed() == 0s);
}

TEST_CASE("run_until_idle goes on until nothing is left", "[fake_clock]") {
    clocked_loop c;
    c.loop.create_task(sleep_and_note(c, 24h, "day"));
    c.later(48h, "two days");
    c.clock.run_until_idle();
    CHECK(c.log == entries{{"day", 24h}, {"two days", 48h}});
    CHECK(c.clock.pending_timers().empty());
    c.clock.run_until_idle();
    CHECK(c.clock.elapsed() == 48h);
}

TEST_CASE("run_until_idle ends where nothing more can happen", "[fake_clock]") {
    clocked_loop c;
    const auto blocked = [](coroscope::loop& l) -> coro<> {
        co_await l.create_future<>();
    };
    const auto task = c.loop.create_task(blocked(c.loop));
    c.loop.create_task(sleep_and_note(c, 1s, "a"));
    c.clock.run_until_idle();
    CHECK(c.clock.elapsed() == 1s);
    CHECK_FALSE(task.done());
    c.loop.set_exception_handler([](coroscope::loop&, const coroscope::exception_context&) {});
}

TEST_CASE("run_to_last goes to the latest deadline there is now", "[fake_clock]") {
    clocked_loop c;
    c.later(5s, "last");
    c.loop.call_later(1s, [&] {
        c.note("first");
        c.later(2s, "on the way");
        c.later(9s, "beyond");
    });
    c.clock.run_to_last();
    CHECK(c.log == entries{{"first", 1s}, {"on the way", 3s}, {"last", 5s}});
    CHECK(c.clock.pending_timers() == std::vector<time_point>{at(10s)});
    c.clock.run_to_last();
    c.clock.run_to_last();
    CHECK(c.clock.elapsed() == 10s);
}

TEST_CASE("after a jump, overdue timers fire once each at the new now", "[fake_clock]") {
    clocked_loop c;
    int rearmed = 0;
    c.loop.call_later(1s, [&] {
        c.note("a");
        ++rearmed;
        c.later(1s, "again");
    });
    c.later(3s, "b");
    c.later(2s, "c");
    c.later(11s, "later");
    c.clock.jump(10s);
    CHECK(c.log == entries{{"a", 10s}, {"c", 10s}, {"b", 10s}});
    CHECK(rearmed == 1);
    CHECK(c.clock.pending_timers() == std::vector<time_point>{at(11s), at(11s)});
}

TEST_CASE("time does not go back", "[fake_clock]") {
    clocked_loop c;
    c.clock.advance(1s);
    CHECK_THROWS_AS(c.clock.advance(-1ns), std::invalid_argument);
    CHECK_THROWS_AS(c.clock.jump(-1ns), std::invalid_argument);
    CHECK(c.clock.elapsed() == 1s);
    c.clock.advance(0s);
    CHECK(c.clock.elapsed() == 1s);
}

TEST_CASE("an advance beyond the end of time stops there", "[fake_clock]") {
    clocked_loop c;
    c.loop.create_task(sleep_and_note(c, 1h, "hour"));
    const auto forever = c.loop.create_task(sleep_and_note(c, duration::max(), "never"));
    c.clock.advance(1s);
    c.clock.advance(duration::max());
    CHECK(c.clock.now() == fake_clock::end);
    CHECK(c.log == entries{{"hour", 1h}});
    CHECK_FALSE(forever.done());
    c.clock.advance(1h);
    CHECK(c.clock.now() == fake_clock::end);
    CHECK(c.log.size() == 1);
    c.loop.set_exception_handler([](coroscope::loop&, const coroscope::exception_context&) {});
}

TEST_CASE("a sleep of the largest duration blocks nobody", "[fake_clock]") {
    clocked_loop c;
    const auto forever = c.loop.create_task(sleep_and_note(c, duration::max(), "never"));
    c.loop.run_until_complete(sleep_and_note(c, 1s, "a"));
    CHECK(c.log == entries{{"a", 1s}});
    CHECK_FALSE(forever.done());
    c.loop.set_exception_handler([](coroscope::loop&, const coroscope::exception_context&) {});
}

TEST_CASE("a timer of zero never runs inline, and starves nobody", "[fake_clock]") {
    clocked_loop c;
    const auto rearm = [](auto& self, clocked_loop& l, int left) -> void {
        l.note("timer");
        if (left > 0) {
            l.loop.call_later(0s, [&self, &l, left] { self(self, l, left - 1); });
        }
    };
    const auto other = [](clocked_loop& l) -> coro<> {
        for (int i = 0; i < 3; ++i) {
            co_await coroscope::yield_now();
            l.note("task");
        }
    };
    c.loop.call_later(0s, [&] { rearm(rearm, c, 4); });
    c.loop.create_task(other(c));
    CHECK(c.log.empty());
    c.clock.run_ready();
    const std::vector<std::string> expected{"timer", "timer", "task", "timer",
                                            "task",  "timer", "task", "timer"};
    std::vector<std::string> names;
    for (const auto& [name, when] : c.log) {
        names.push_back(name);
        CHECK(when == 0s);
    }
    CHECK(names == expected);
}

TEST_CASE("with autojump a loop goes from deadline to deadline by itself", "[fake_clock]") {
    clocked_loop c;
    const auto day = [](clocked_loop& l) -> coro<int> {
        for (int hour = 0; hour < 24; ++hour) {
            co_await coroscope::sleep_for(1h);
        }
        l.note("done");
        co_return 7;
    };
    CHECK(c.loop.run_until_complete(day(c)) == 7);
    CHECK(c.log == entries{{"done", 24h}});
}

TEST_CASE("without autojump only moves move time", "[fake_clock]") {
    clocked_loop c;
    {
        const coroscope::testkit::autojump_off off(c.clock);
        CHECK_FALSE(c.clock.autojump());
        const auto test = [](clocked_loop& l) -> coro<> {
            const auto sleeper = l.loop.create_task(sleep_and_note(l, 10s, "slept"));
            co_await l.clock.run_ready();
            l.note("settled");
            co_await l.clock.advance(9s);
            l.note("advanced");
            co_await l.clock.advance(1s);
            co_await sleeper;
        };
        c.loop.run_until_complete(test(c));
    }
    CHECK(c.clock.autojump());
    CHECK(c.log == entries{{"settled", 0s}, {"advanced", 9s}, {"slept", 10s}});
}

TEST_CASE("a clock moves outside of a loop and without one", "[fake_clock]") {
    fake_clock clock;
    clock.jump(1s);
    clock.run_ready();
    clock.run_until_idle();
    clock.run_to_last();
    clock.advance_to_before(at(3s));
    CHECK(clock.elapsed() == 3s - 1ns);
    CHECK_THROWS_AS(clock.advance_to_next(), coroscope::invalid_state_error);
    CHECK(clock.pending_timers().empty());
}

TEST_CASE("a clock drives one loop at a time", "[fake_clock]") {
    fake_clock clock;
    coroscope::loop_options options;
    options.clock = &clock;
    {
        coroscope::loop first(options);
        CHECK_THROWS_AS(coroscope::loop(options), std::logic_error);
        first.call_later(1s, [] {});
        CHECK(clock.pending_timers().size() == 1);
    }
    coroscope::loop second(options);
    int calls = 0;
    second.call_later(1s, [&] { ++calls; });
    clock.advance(1s);
    CHECK(calls == 1);
}

TEST_CASE("stopping the loop breaks an advance off", "[fake_clock]") {
    clocked_loop c;
    c.loop.call_later(1s, [&] { c.loop.stop(); });
    CHECK_THROWS_AS(c.clock.advance(2s), coroscope::broken_loop_error);
    CHECK(c.clock.elapsed() == 1s);
    c.clock.advance(1s);
    CHECK(c.clock.elapsed() == 2s);
}
