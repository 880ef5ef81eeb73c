// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/loop_load.hpp>

#include <coroscope/runtime/detail/tick_clock.hpp>
#include <coroscope/runtime/event.hpp>
#include <coroscope/runtime/loop.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "instrumentation/busy_wait.hpp"
#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

using namespace coroscope;
using namespace coroscope::instrumentation;
using namespace std::chrono_literals;
using coroscope::detail::tick_clock;

namespace {

constexpr auto budget = 5ms;

struct lines {
    std::uint32_t from = 0;
    std::uint32_t to = 0;
};

coro<> burn_a_little(lines& at) {
    at.from = __LINE__ + 1;
    co_await yield_now();
    busy_wait(1ms);
    at.to = __LINE__ + 1;
    co_await sleep_for(1h);
}

coro<> yield_often(int times) {
    for (int i = 0; i < times; ++i) {
        co_await yield_now();
    }
}

coro<> sleep_an_hour() {
    co_await sleep_for(1h);
}

coro<> block_when_set(event& e, duration how_long) {
    co_await e.wait();
    busy_wait(how_long);
    co_await yield_now();
}

loop_load_options with_budget(duration d, std::size_t capacity = 100) {
    loop_load_options options;
    options.iteration_budget = d;
    options.capacity = capacity;
    return options;
}

/// Tells of one pass with steps that took so long, in one batch, and lets as much time pass, since
/// the next pass is told from this one by time.
void tell_pass(loop_load& load, const std::vector<duration>& durations) {
    load.on_tick(durations.size(), 0);
    std::vector<step_record> steps;
    auto at = step_clock::now();
    for (const auto d : durations) {
        step_record step;
        step.id = 7;
        step.begin = at;
        at += tick_clock::to_ticks(d);
        step.end = at;
        steps.push_back(step);
    }
    while (step_clock::now() <= at) {}
    load.on_steps(steps);
}

}  // namespace

TEST_CASE(
    "many short steps of one pass that add up over the budget are recorded with their place") {
    loop_load load(with_budget(budget));
    virtual_loop v;
    v.loop.add_observer(load);
    lines at;
    constexpr std::size_t tasks = 20;
    for (std::size_t i = 0; i < tasks; ++i) {
        v.loop.create_task(burn_a_little(at), "burner");
    }
    v.loop.run_until_complete(v.loop.create_task(sleep_an_hour()));

    auto passes = load.long_passes();
    std::erase_if(passes, [&](const long_pass& p) { return p.from.line != at.from; });
    REQUIRE(passes.size() == 1);  // others are a busy machine's
    const auto& pass = passes.front();
    CHECK(pass.steps == tasks);
    CHECK(pass.ready == tasks);
    CHECK(pass.busy >= 19ms);
    CHECK(pass.longest_name == "burner");
    CHECK(pass.from.line == at.from);
    CHECK(pass.to.line == at.to);
    CHECK(load.read().long_passes >= 1);
}

TEST_CASE("a pass at the budget, one slow step, and several short passes are no long pass") {
    loop_load load(with_budget(budget));
    tell_pass(load, {2ms, 2ms, 2ms});
    tell_pass(load, {2ms, 2ms, 2ms});  // with the one before it would be too much
    tell_pass(load, {1ms, 20ms, 1ms});
    tell_pass(load, {});
    CHECK(load.long_passes().empty());
    CHECK(load.findings().empty());
    CHECK(load.read().long_passes == 0);

    tell_pass(load, {2ms, 2ms, 2ms, 2ms});
    CHECK(load.read().long_passes == 1);
    REQUIRE(load.long_passes().size() == 1);
    CHECK(load.long_passes().front().steps == 4);
    CHECK(load.long_passes().front().longest_name == "task-7");
}

TEST_CASE("a long pass that is told in several batches is one record, of all its steps") {
    loop_load load(with_budget(budget));
    virtual_loop v;
    v.loop.add_observer(load);
    lines at;
    constexpr std::size_t tasks = 600;
    for (std::size_t i = 0; i < tasks; ++i) {
        v.loop.create_task([](lines& where) -> coro<> {
            where.from = __LINE__ + 1;
            co_await yield_now();
            busy_wait(50us);
        }(at));
    }
    v.loop.run_until_complete(v.loop.create_task(sleep_an_hour()));
    auto passes = load.long_passes();
    std::erase_if(passes, [&](const long_pass& p) { return p.from.line != at.from; });
    REQUIRE(passes.size() == 1);
    CHECK(passes.front().steps == tasks);
}

TEST_CASE("the newest long passes are kept, all are counted") {
    loop_load load(with_budget(0ms, 2));
    for (const auto steps : {2U, 3U, 4U}) {
        tell_pass(load, std::vector<duration>(steps, 100us));
    }
    CHECK(load.read().long_passes == 3);
    const auto passes = load.long_passes();
    REQUIRE(passes.size() == 2);
    CHECK(passes[0].steps == 3);
    CHECK(passes[1].steps == 4);
}

TEST_CASE("what woken tasks wait for their turn is measured") {
    loop_load load;
    virtual_loop v;
    v.loop.add_observer(load);
    event e;
    auto first = v.loop.create_task(block_when_set(e, 4ms));
    auto second = v.loop.create_task(block_when_set(e, 0ms));
    v.loop.call_soon([&] { v.loop.call_soon([&] { e.set(); }); });
    v.loop.run_until_complete(second);
    v.loop.run_until_complete(first);
    const auto delay = load.read().wake_delay;
    CHECK(delay.count() == 2);
    CHECK(delay.max() >= 3ms);
    CHECK(delay.sum() >= delay.max());
}

TEST_CASE("yields are no wake-ups; steps, passes and queues are counted") {
    loop_load load;
    virtual_loop v;
    v.loop.add_observer(load);
    for (int i = 0; i < 3; ++i) {
        v.loop.create_task(sleep_an_hour());
    }
    v.loop.run_until_complete(v.loop.create_task(yield_often(10)));
    const auto r = load.read();
    CHECK(r.wake_delay.count() == 0);
    CHECK(r.steps == 14);
    CHECK(r.passes == 11);
    CHECK(r.most_ready == 4);
    CHECK(r.ready == 1);
    CHECK(r.mean_ready == Approx(14.0 / 11));
    CHECK(r.scheduled == 3);
    CHECK(r.most_scheduled == 3);
    CHECK(r.busy > 0ns);
    CHECK(r.utilisation() > 0);
    CHECK(r.utilisation() <= 1);
}

TEST_CASE("a loop that is blocked can be read", "[threads]") {
    loop_load load;
    std::atomic<bool> reached{false};
    std::atomic<bool> released{false};
    std::thread running([&] {
        virtual_loop v;
        v.loop.add_observer(load);
        v.loop.run_until_complete(v.loop.create_task(yield_often(3)));
        v.loop.call_soon([&] {
            reached.store(true);
            while (!released.load()) {
                std::this_thread::yield();
            }
            v.loop.stop();
        });
        v.loop.run_forever();
    });
    while (!reached.load()) {
        std::this_thread::yield();
    }
    const auto r = load.read();
    static_cast<void>(load.long_passes());
    released.store(true);
    running.join();
    CHECK(r.passes == 5);
    CHECK(r.steps == 4);
    CHECK(r.ready == 1);
}

TEST_CASE("utilisation is busy time by elapsed time, also between two readings") {
    load_reading first;
    CHECK(first.utilisation() == 0);
    first.elapsed = 10s;
    first.busy = 1s;
    load_reading second = first;
    second.elapsed = 20s;
    second.busy = 6s;
    CHECK(first.utilisation() == Approx(0.1));
    CHECK(second.utilisation() == Approx(0.3));
    CHECK(second.utilisation_since(first) == Approx(0.5));
    CHECK(second.utilisation_since(second) == 0);
}

TEST_CASE("a reading's text is this") {
    load_reading r;
    r.elapsed = 10s;
    r.busy = 3725ms;
    r.steps = 81'234;
    r.passes = 2'000;
    r.long_passes = 3;
    r.ready = 4;
    r.most_ready = 600;
    r.mean_ready = 40.617;
    r.scheduled = 12;
    r.most_scheduled = 90;
    r.wake_delay.add(1us, 90);
    r.wake_delay.add(800us, 10);
    CHECK(log_text(r)
          == "busy 37.2 % of 10.0 s: 81234 steps in 2000 passes, 3 over the budget\n"
             "ready 4 (mean 40.6, at most 600), timers 12 (at most 90)\n"
             "from wake-up to run: half below 1.01 us, 99 % below 800 us, at most 800 us "
             "(100 wake-ups)\n");
}

TEST_CASE("a long pass's text and finding are these") {
    long_pass pass;
    pass.busy = 62ms;
    pass.steps = 600;
    pass.longest = 400us;
    pass.longest_name = "request 12";
    pass.from = {"server.cpp", 31, "serve"};
    pass.to = {"server.cpp", 40, "serve"};
    CHECK(log_text(pass)
          == "a pass over the ready queue took 62.0 ms in 600 steps, the longest 400 us (request "
             "12)\n"
             "  ran from: server.cpp:31 in serve\n"
             "  ran to: server.cpp:40 in serve\n");

    loop_load load(with_budget(0ms));
    tell_pass(load, {100us, 100us});
    tell_pass(load, {100us, 100us, 100us});
    const auto findings = load.findings();
    REQUIRE(findings.size() == 1);
    const auto& f = findings.front();
    CHECK(f.rule == "iteration-budget");
    CHECK(f.severity == report::severity::warning);
    CHECK(f.message
          == "a pass over the ready queue took 300 us in 3 steps, the longest 100 us; this was over "
             "the budget 2 times. Each step was short, but everything else had to wait for all of "
             "them: let fewer tasks be ready at once (a semaphore, a bounded queue), or do less in "
             "each step.");
    REQUIRE(f.evidence.size() == 2);
    CHECK(f.evidence[0].text == "the longest step, of task-7");
}
