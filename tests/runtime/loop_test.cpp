// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/loop.hpp>

#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/executor.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using coroscope::coro;
using coroscope::invalid_state_error;
using coroscope::loop_state;
using namespace std::chrono_literals;

namespace {

coro<int> number(int n) {
    co_return n;
}

coro<> forever() {
    for (;;) {
        co_await coroscope::sleep_for(1h);
    }
}

/// Everything that schedules, as the table in loop.hpp lists it.
std::vector<std::function<void(coroscope::loop&)>> scheduling_calls() {
    return {
        [](coroscope::loop& l) { l.call_soon([] {}); },
        [](coroscope::loop& l) { l.call_later(1s, [] {}); },
        [](coroscope::loop& l) { l.call_at(l.time() + 1s, [] {}); },
        [](coroscope::loop& l) { l.call_soon_threadsafe([] {}); },
        [](coroscope::loop& l) { l.create_task(number(1)); },
        [](coroscope::loop& l) { static_cast<void>(l.create_future<int>()); },
        [](coroscope::loop& l) { l.run_in_executor([] {}); },
    };
}

}  // namespace

TEST_CASE("a loop goes from idle to running, stopped, idle, closed") {
    virtual_loop v;
    std::vector<loop_state> states{v.loop.state()};
    v.loop.call_soon([&] {
        states.push_back(v.loop.state());
        CHECK(v.loop.is_running());
        v.loop.stop();
        states.push_back(v.loop.state());
        CHECK(v.loop.is_running());
    });
    v.loop.run_forever();
    states.push_back(v.loop.state());
    CHECK_FALSE(v.loop.is_running());
    CHECK_FALSE(v.loop.is_closed());
    v.loop.close();
    states.push_back(v.loop.state());
    CHECK(v.loop.is_closed());
    CHECK(states
          == std::vector<loop_state>{loop_state::idle, loop_state::running, loop_state::stopped,
                                     loop_state::idle, loop_state::closed});
}

TEST_CASE("calls made while a loop is idle are for its next run") {
    virtual_loop v;
    int ran = 0;
    v.loop.call_soon([&] { ++ran; });
    v.loop.call_later(1s, [&] { ++ran; });
    v.loop.call_soon_threadsafe([&] { ++ran; });
    auto t = v.loop.create_task(number(1));
    CHECK(ran == 0);
    v.loop.run_forever();
    CHECK(ran == 3);
    CHECK(t.done());
}

TEST_CASE("everything that schedules throws on a closed loop, with and without debug mode") {
    coroscope::loop_options options;
    options.debug = GENERATE(false, true);
    virtual_loop v(options);
    v.loop.close();
    for (const auto& call : scheduling_calls()) {
        CHECK_THROWS_AS(call(v.loop), invalid_state_error);
    }
    CHECK_THROWS_AS(v.loop.run_forever(), invalid_state_error);
    CHECK_THROWS_AS(v.loop.run_until_complete(number(1)), invalid_state_error);
}

TEST_CASE("a closed loop cannot run, not even for a task that is done") {
    virtual_loop v;
    auto t = v.loop.create_task(number(1));
    v.loop.run_until_complete(t);
    v.loop.close();
    CHECK_THROWS_AS(v.loop.run_until_complete(t), invalid_state_error);
    CHECK(t.result() == 1);
}

TEST_CASE("stop and close have no effect on a closed loop") {
    virtual_loop v;
    v.loop.close();
    CHECK_NOTHROW(v.loop.stop());
    CHECK_NOTHROW(v.loop.close());
    CHECK(v.loop.state() == loop_state::closed);
}

TEST_CASE("stopping an idle loop makes its next run end after one pass") {
    virtual_loop v;
    int ran = 0;
    v.loop.call_soon([&] {
        ++ran;
        v.loop.call_soon([&] { ++ran; });
    });
    v.loop.stop();
    CHECK(v.loop.state() == loop_state::idle);
    v.loop.run_forever();
    CHECK(ran == 1);
    v.loop.run_forever();
    CHECK(ran == 2);
}

TEST_CASE(
    "after stop the pass in progress runs to its end, and what came later at the next start") {
    virtual_loop v;
    std::vector<std::string> order;
    v.loop.call_soon([&] {
        order.emplace_back("stops");
        v.loop.stop();
        v.loop.call_soon([&] { order.emplace_back("scheduled after stop"); });
    });
    v.loop.call_soon([&] { order.emplace_back("was ready"); });
    v.loop.run_forever();
    CHECK(order == std::vector<std::string>{"stops", "was ready"});
    v.loop.run_forever();
    CHECK(order.back() == "scheduled after stop");
}

TEST_CASE("a running loop can neither run nor be closed; the outer run goes on") {
    virtual_loop v;
    int errors = 0;
    auto done = v.loop.create_task(number(1));
    v.loop.run_until_complete(done);
    const auto expect_error = [&](const std::function<void()>& f) {
        try {
            f();
        } catch (const invalid_state_error&) { ++errors; }
    };
    bool went_on = false;
    v.loop.call_soon([&] {
        expect_error([&] { v.loop.run_forever(); });
        expect_error([&] { v.loop.run_until_complete(number(1)); });
        expect_error([&] { v.loop.run_until_complete(done); });
        expect_error([&] { v.loop.close(); });
        CHECK(all_tasks(v.loop).empty());  // the refused coroutine did not become a task
        v.loop.call_later(1s, [&] { went_on = true; });
    });
    v.loop.run_forever();
    CHECK(errors == 4);
    CHECK(went_on);
}

TEST_CASE("one loop cannot run inside another") {
    virtual_loop outer;
    virtual_loop inner;
    bool refused = false;
    outer.loop.call_soon([&] {
        try {
            inner.loop.run_forever();
        } catch (const invalid_state_error& e) {
            refused = std::string(e.what()).find("cannot run inside another") != std::string::npos;
        }
    });
    outer.loop.run_forever();
    CHECK(refused);
    CHECK(inner.loop.state() == loop_state::idle);
}

TEST_CASE("run_until_complete of something that cannot finish says that the loop was stopped") {
    virtual_loop v;
    auto f = v.loop.create_future<int>();
    CHECK_THROWS_AS(v.loop.run_until_complete(f), coroscope::broken_loop_error);
    auto t = v.loop.create_task(forever());
    v.loop.call_soon([&] { v.loop.stop(); });
    CHECK_THROWS_AS(v.loop.run_until_complete(t), coroscope::broken_loop_error);
    CHECK_FALSE(t.done());
}

TEST_CASE("close destroys callbacks, timers and tasks, and reports each task") {
    auto token = std::make_shared<int>();
    virtual_loop v;
    auto holder = [](std::shared_ptr<int>) -> coro<> {
        co_await coroscope::sleep_for(1h);
    };
    auto sleeping = v.loop.create_task(holder(token), "sleeping");
    v.loop.stop();
    v.loop.run_forever();
    auto unstarted = v.loop.create_task(holder(token));
    auto soon = v.loop.call_soon([token] { FAIL("closed"); });
    auto later = v.loop.call_later(1h, [token] { FAIL("closed"); });
    v.loop.call_soon_threadsafe([token] { FAIL("closed"); });
    CHECK(token.use_count() == 6);
    v.loop.close();
    CHECK(token.use_count() == 1);
    REQUIRE(v.reported.size() == 2);
    CHECK(v.reported[1].task_name == "sleeping");
    CHECK(sleeping.cancelled());
    CHECK_THROWS_AS(unstarted.result(), coroscope::broken_loop_error);
    soon.cancel();
    later.cancel();
}

TEST_CASE("code that runs while a loop closes cannot schedule on it") {
    virtual_loop v;
    struct scheduler {
        coroscope::loop& l;
        int& refused;
        scheduler(coroscope::loop& target, int& count) : l(target), refused(count) {}
        scheduler(const scheduler&) = delete;
        scheduler& operator=(const scheduler&) = delete;
        ~scheduler() {
            for (const auto& call : scheduling_calls()) {
                try {
                    call(l);
                } catch (const invalid_state_error&) { ++refused; }
            }
        }
    };
    int refused = 0;
    auto body = [](coroscope::loop& l, int& count) -> coro<> {
        const scheduler s(l, count);
        co_await coroscope::sleep_for(1h);
    };
    v.loop.create_task(body(v.loop, refused));
    v.loop.stop();
    v.loop.run_forever();
    v.loop.close();
    CHECK(refused == static_cast<int>(scheduling_calls().size()));
    CHECK(v.reported.size() == 1);
}

TEST_CASE("an exception from the clock ends the run, and the loop can run again") {
    struct throwing_clock final : coroscope::clock {
        coroscope::time_point now() const noexcept override { return {}; }
        coroscope::idle_action on_idle(const coroscope::idle_state&) override {
            throw std::runtime_error("no time");
        }
    };
    throwing_clock c;
    coroscope::loop_options options;
    options.clock = &c;
    coroscope::loop l(options);
    CHECK_THROWS_WITH(l.run_forever(), "no time");
    CHECK(l.state() == loop_state::idle);
    CHECK_THROWS_AS(coroscope::get_running_loop(), std::logic_error);
    CHECK(l.run_until_complete(number(2)) == 2);
}

TEST_CASE("get_running_loop is the loop inside callbacks and tasks, and an error elsewhere") {
    virtual_loop v;
    CHECK_THROWS_WITH(coroscope::get_running_loop(), Catch::Contains("no running loop"));
    coroscope::loop* in_callback = nullptr;
    v.loop.call_soon([&] { in_callback = &coroscope::get_running_loop(); });
    auto self = []() -> coro<coroscope::loop*> {
        co_return &coroscope::get_running_loop();
    };
    CHECK(v.loop.run_until_complete(self()) == &v.loop);
    CHECK(in_callback == &v.loop);
}

TEST_CASE("loops have ids of their own") {
    virtual_loop a;
    virtual_loop b;
    CHECK(a.loop.id() != 0);
    CHECK(a.loop.id() < b.loop.id());
}

TEST_CASE("the slow threshold is 100 ms at first and may not be negative") {
    virtual_loop v;
    CHECK(v.loop.slow_callback_duration() == 100ms);
    v.loop.set_slow_callback_duration(0ns);
    CHECK(v.loop.slow_callback_duration() == 0ns);
    CHECK_THROWS_AS(v.loop.set_slow_callback_duration(-1ns), std::invalid_argument);
}

TEST_CASE("statistics count steps, callbacks, tasks and timers") {
    virtual_loop v;
    auto two_steps = []() -> coro<> {
        co_await coroscope::yield_now();
    };
    v.loop.create_task(two_steps());
    v.loop.create_task(forever());
    v.loop.call_soon([] {});
    v.loop.call_later(2h, [&] { v.loop.stop(); });
    const auto before = v.loop.statistics();
    v.loop.run_forever();
    const auto after = v.loop.statistics();
    CHECK(before.steps == 0);
    CHECK(after.callbacks == 2);
    CHECK(after.steps == 2 + 3 + 2);  // two tasks' steps, then the callbacks
    CHECK(after.tasks == 1);
    CHECK(after.busy > 0ns);
    v.loop.close();
    CHECK(v.loop.statistics().tasks == 0);
    CHECK(v.loop.statistics().scheduled == 0);
}

TEST_CASE("without time stats a loop runs the same and measures nothing") {
    coroscope::loop_options options;
    options.time_stats = false;
    virtual_loop v(options);
    CHECK(v.loop.run_until_complete(number(3)) == 3);
    v.loop.call_later(1h, [] {});
    v.loop.run_forever();
    CHECK(v.clock.elapsed() == 1h);
    CHECK(v.loop.statistics().busy == 0ns);
}
