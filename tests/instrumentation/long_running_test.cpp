// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/long_running.hpp>

#include <coroscope/instrumentation/slow.hpp>
#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

using namespace coroscope;
using namespace coroscope::instrumentation;
using namespace std::chrono_literals;

namespace {

struct call_note {
    std::string name;
    duration elapsed;
    run_outcome outcome;
    std::vector<std::uint32_t> lines;  // of the origin
};

/// Wraps functions and notes down their calls.
struct notebook {
    std::vector<call_note> calls;
    call_timing time_it = time_it_factory([this](const timed_call& call) {
        std::vector<std::uint32_t> lines;
        for (const auto& site : call.origin()) {
            lines.push_back(site.line());
        }
        calls.push_back({std::string(call.name()), call.elapsed(), call.outcome(), lines});
    });
};

coro<int> answer_after(duration d) {
    co_await sleep_for(d);
    co_return 42;
}

coro<> fail_after(duration d) {
    co_await sleep_for(d);
    throw std::runtime_error("failed");
}

template <class F>
coro<int> call_inside(F f, std::uint32_t& line) {
    line = __LINE__ + 1;
    const int n = co_await f(1s);
    co_return n;
}

template <class F>
coro<int> call_outside(F f, std::uint32_t& outer, std::uint32_t& inner) {
    outer = __LINE__ + 1;
    const int n = co_await call_inside(f, inner);
    co_return n;
}

/// The runs of a loop's tasks, but of those that `run_until_complete` makes of coroutines.
struct monitored_loop {
    virtual_loop v;
    std::vector<task_run> runs;
    explicit monitored_loop(loop::task_factory make = {}) {
        v.loop.set_task_factory(monitor_task_factory(
            [this](const task_run& run) { runs.push_back(run); }, std::move(make)));
    }
};

}  // namespace

TEST_CASE("a timed coroutine gives its result, and its handler the loop's time") {
    notebook notes;
    virtual_loop v;
    const auto timed = notes.time_it("answer_after", answer_after);
    CHECK(v.loop.run_until_complete(timed(1h)) == 42);
    REQUIRE(notes.calls.size() == 1);
    CHECK(notes.calls[0].name == "answer_after");
    CHECK(notes.calls[0].elapsed == 1h);
    CHECK(notes.calls[0].outcome == run_outcome::returned);
    CHECK(v.reported.empty());
}

TEST_CASE("a timed call that fails counts, and its exception passes") {
    notebook notes;
    virtual_loop v;
    const auto timed = notes.time_it("fail_after", fail_after);
    CHECK_THROWS_AS(v.loop.run_until_complete(timed(3s)), std::runtime_error);
    REQUIRE(notes.calls.size() == 1);
    CHECK(notes.calls[0].elapsed == 3s);
    CHECK(notes.calls[0].outcome == run_outcome::threw);
}

TEST_CASE("a timed call that is cancelled counts") {
    notebook notes;
    virtual_loop v;
    const auto timed = notes.time_it("answer_after", answer_after);
    CHECK_THROWS_AS(v.loop.run_until_complete(wait_for(timed(3s), 2s)), timeout_error);
    REQUIRE(notes.calls.size() == 1);
    CHECK(notes.calls[0].elapsed == 2s);
    CHECK(notes.calls[0].outcome == run_outcome::cancelled);
}

TEST_CASE("a timed call that never began is not told") {
    notebook notes;
    const auto timed = notes.time_it("answer_after", answer_after);
    { const auto dropped = timed(1s); }
    CHECK(notes.calls.empty());
}

TEST_CASE("the origin of a timed call leads from its co_await to the creation of the task") {
    notebook notes;
    virtual_loop v;
    const auto timed = notes.time_it("answer_after", answer_after);
    std::uint32_t outer = 0;
    std::uint32_t inner = 0;
    const std::uint32_t created = __LINE__ + 1;
    auto t = v.loop.create_task(call_outside(timed, outer, inner));
    v.loop.run_until_complete(t);
    REQUIRE(notes.calls.size() == 1);
    CHECK(notes.calls[0].lines == std::vector<std::uint32_t>{inner, outer, created});
}

TEST_CASE("the origin of a timed call is cut where it was asked to be") {
    std::size_t found = 0;
    const auto time_it =
        time_it_factory([&found](const timed_call& call) { found = call.origin(2).size(); });
    virtual_loop v;
    std::uint32_t line = 0;
    v.loop.run_until_complete(call_outside(time_it("answer_after", answer_after), line, line));
    CHECK(found == 2);
}

TEST_CASE("what a handler of timed calls throws reaches the loop's handler, not the caller") {
    const auto time_it =
        time_it_factory([](const timed_call&) { throw std::runtime_error("handler"); });
    virtual_loop v;
    CHECK(v.loop.run_until_complete(time_it("answer_after", answer_after)(1s)) == 42);
    REQUIRE(v.reported.size() == 1);
    CHECK(v.reported[0].message == "the handler of time_it_factory threw");
}

TEST_CASE("the origin of a timed call leaves out the timing of its callers") {
    notebook notes;
    virtual_loop v;
    const auto inner_timed = notes.time_it("answer_after", answer_after);
    using function = std::decay_t<decltype(inner_timed)>;
    const auto outer_timed = notes.time_it("call_inside", call_inside<function>);
    std::uint32_t line = 0;
    const std::uint32_t created = __LINE__ + 1;
    auto t = v.loop.create_task(outer_timed(inner_timed, line));
    v.loop.run_until_complete(t);
    REQUIRE(notes.calls.size() == 2);
    CHECK(notes.calls[0].lines == std::vector<std::uint32_t>{line, created});
    CHECK(notes.calls[1].lines == std::vector<std::uint32_t>{created});
}

TEST_CASE("a call whose result cannot be moved out is told once") {
    struct fragile {
        int* moves_left;
        explicit fragile(int& moves) : moves_left(&moves) {}
        fragile(fragile&& other) : moves_left(other.moves_left) {
            if ((*moves_left)-- == 0) { throw std::runtime_error("moved"); }
        }
    };
    coro<fragile> (*make)(int&) = [](int& moves) -> coro<fragile> {
        co_return fragile(moves);
    };
    for (int allowed = 0; allowed < 3; ++allowed) {
        notebook notes;
        virtual_loop v;
        int moves = allowed;
        auto t = v.loop.create_task(notes.time_it("make", make)(moves));
        try {
            v.loop.run_until_complete(t);
        } catch (const std::runtime_error&) {}
        CHECK(notes.calls.size() == 1);
    }
}

TEST_CASE("a timed function lives as long as its calls") {
    struct job {
        std::shared_ptr<int> number;
        coro<int> operator()() const {
            co_await yield_now();
            co_return *number;
        }
    };
    notebook notes;
    virtual_loop v;
    auto t = v.loop.create_task(notes.time_it("job", job{std::make_shared<int>(42)})());
    CHECK(v.loop.run_until_complete(t) == 42);
}

TEST_CASE("member functions and move-only results can be timed") {
    struct cook {
        int made = 0;
        int more = 0;  // g++ 12 takes such a call for one beyond the end of what is smaller
        coro<std::unique_ptr<int>> make(duration d) {
            co_await sleep_for(d);
            co_return std::make_unique<int>(++made);
        }
    };
    notebook notes;
    virtual_loop v;
    cook c;
    const auto timed = notes.time_it("make", &cook::make);
    CHECK(*v.loop.run_until_complete(timed(c, 1s)) == 1);
    CHECK(notes.calls.at(0).elapsed == 1s);
}

TEST_CASE("a monitored task is told once, with the time from its creation to its end") {
    monitored_loop m;
    m.v.loop.call_later(2s, [&m] { m.v.loop.create_task(answer_after(1s), "work"); });
    m.v.loop.run_until_complete(m.v.loop.create_task(answer_after(10s), "main"));
    REQUIRE(m.runs.size() == 2);
    CHECK(m.runs[0].name == "work");
    CHECK(m.runs[0].elapsed == 1s);
    CHECK(m.runs[0].outcome == run_outcome::returned);
    CHECK(m.runs[1].elapsed == 10s);
}

TEST_CASE("a monitored task that fails, or is cancelled, is told so") {
    monitored_loop m;
    auto failing = m.v.loop.create_task(fail_after(1s), "failing");
    auto waiting = m.v.loop.create_task(answer_after(1h), "waiting");
    auto unstarted = m.v.loop.create_task(answer_after(1h), "unstarted");
    unstarted.cancel();
    m.v.loop.call_later(3s, [&waiting] { waiting.cancel(); });
    CHECK_THROWS_AS(m.v.loop.run_until_complete(waiting), cancelled_error);
    REQUIRE(m.runs.size() == 3);
    CHECK(m.runs[0].name == "unstarted");
    CHECK(m.runs[0].elapsed == 0s);
    CHECK(m.runs[0].outcome == run_outcome::cancelled);
    CHECK(m.runs[1].elapsed == 1s);
    CHECK(m.runs[1].outcome == run_outcome::threw);
    CHECK(m.runs[2].elapsed == 3s);
    CHECK(m.runs[2].outcome == run_outcome::cancelled);
    CHECK(failing.exception() != nullptr);
}

TEST_CASE("a monitored task that is destroyed with its loop is told so") {
    std::vector<task_run> runs;
    {
        virtual_loop v;
        v.loop.set_task_factory(
            monitor_task_factory([&runs](const task_run& run) { runs.push_back(run); }));
        v.loop.create_task(answer_after(1h), "left");
        v.loop.run_until_complete(v.loop.create_task(answer_after(1s), "main"));
    }
    REQUIRE(runs.size() == 2);
    CHECK(runs[1].name == "left");
    CHECK(runs[1].elapsed == 1s);
    CHECK(runs[1].outcome == run_outcome::destroyed);
}

TEST_CASE("monitoring leaves an exception that nobody retrieves to be reported") {
    monitored_loop m;
    m.v.loop.create_task(fail_after(1s));
    m.v.loop.run_until_complete(m.v.loop.create_task(answer_after(2s)));
    REQUIRE(m.v.reported.size() == 1);
    CHECK(m.v.reported[0].message.find("never retrieved") != std::string::npos);
}

TEST_CASE("an eager task that ends in its first step is told at once") {
    monitored_loop m(eager_task_factory);
    coro<std::size_t> (*create)(monitored_loop&) = [](monitored_loop& in) -> coro<std::size_t> {
        coro<> (*nothing)() = []() -> coro<> {
            co_return;
        };
        auto done = in.v.loop.create_task(nothing(), "brief");
        co_return in.runs.size();
    };
    CHECK(m.v.loop.run_until_complete(m.v.loop.create_task(create(m))) == 1);
    CHECK(m.runs.at(0).name == "brief");
}

TEST_CASE("what a handler of finished tasks throws reaches the loop's handler") {
    virtual_loop v;
    v.loop.set_task_factory(
        monitor_task_factory([](const task_run&) { throw std::runtime_error("handler"); }));
    CHECK(v.loop.run_until_complete(v.loop.create_task(answer_after(1s))) == 42);
    REQUIRE(v.reported.size() == 1);
    CHECK(v.reported[0].message == "the handler of monitor_task_factory threw");
}

TEST_CASE("finished runs as text") {
    task_run run;
    run.id = 7;
    run.name = "fetch";
    run.elapsed = 1500ms;
    CHECK(log_text(run) == "<task 'fetch' id=7> took 1.500 seconds to run\n  origin not known\n");
    run.outcome = run_outcome::threw;
    run.origin = {await_site::current()};
    const auto text = log_text(run);
    CHECK(text.find("seconds to run, threw\n  from: ") != std::string::npos);
    CHECK(text.find("long_running_test.cpp:") != std::string::npos);
    CHECK(log_text(timed_call("fetch", 250ms, run_outcome::cancelled))
          == "coroutine fetch took 0.250 seconds, cancelled\n  origin not known\n");
}
