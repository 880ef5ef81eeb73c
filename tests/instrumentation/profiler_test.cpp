// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/profiler.hpp>

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "instrumentation/busy_wait.hpp"
#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>

using namespace coroscope;
using namespace coroscope::instrumentation;
using namespace std::chrono_literals;

namespace {

coro<int> wait_an_hour(int result) {
    co_await sleep_for(1h);
    co_return result;
}

coro<std::unique_ptr<int>> pass_on(std::unique_ptr<int> p) {
    co_await yield_now();
    co_return std::move(p);
}

coro<int&> find(int& in) {
    co_await yield_now();
    co_return in;
}

coro<> fail() {
    co_await sleep_for(1s);
    throw std::runtime_error("no");
}

coro<> work_and_wait(std::chrono::nanoseconds work) {
    busy_wait(work);
    co_await sleep_for(1h);
    busy_wait(work);
    co_await sleep_for(1h);
    busy_wait(work);
}

int twice(int n) {
    return 2 * n;
}

struct immovable {
    explicit immovable(int n) : value(n) {}
    immovable(immovable&&) = delete;
    immovable& operator=(immovable&&) = delete;
    ~immovable() = default;
    int value;
};

struct counter {
    int count = 0;
    int next() { return ++count; }
    coro<int> next_later() {
        co_await yield_now();
        co_return ++count;
    }
};

coro<> call_inline(profiler& p, int& result) {
    result = co_await p.profile_time("inline", wait_an_hour)(7);
}

template <class F, class... Args>
decltype(auto) run(F f, Args&&... args) {
    virtual_loop v;
    return v.loop.run_until_complete(f(std::forward<Args>(args)...));
}

report::time_stats stats_of(const profiler& p, const std::string& name) {
    return p.time_stats().at(name);
}

}  // namespace

TEST_CASE("a profiled coroutine function is counted and timed by the loop's clock") {
    profiler p;
    auto timed = p.profile_time("wait", wait_an_hour);
    virtual_loop v;
    CHECK(v.loop.run_until_complete(timed(5)) == 5);
    CHECK(v.loop.run_until_complete(timed(6)) == 6);

    const auto stats = stats_of(p, "wait");
    CHECK(stats.calls == 2);
    CHECK(stats.returned == 2);
    CHECK(stats.total == 2h);
    CHECK(stats.min == 1h);
    CHECK(stats.max == 1h);
    CHECK(stats.last == 1h);
    REQUIRE(stats.recent.size() == 2);
    CHECK(stats.recent[0] == report::call_record{0h, 1h, 1h});
    CHECK(stats.recent[1] == report::call_record{1h, 2h, 1h});
    CHECK(stats.recent_dropped == 0);
}

TEST_CASE("a name that was never called has no row") {
    profiler p;
    CHECK(p.time_stats().empty());
    const auto timed = p.profile_time("never", twice);
    { const auto dropped = p.profile_time("never begun", wait_an_hour)(1); }
    CHECK(p.time_stats().empty());
}

TEST_CASE("a profiled function may be made and awaited in one expression") {
    profiler p;
    int result = 0;
    run(call_inline, p, result);
    CHECK(result == 7);
    CHECK(stats_of(p, "inline").total == 1h);
}

TEST_CASE("results, references and move-only arguments pass through") {
    profiler p;
    int variable = 3;
    CHECK(&run(p.profile_time("find", find), variable) == &variable);
    CHECK(*run(p.profile_time("pass", pass_on), std::make_unique<int>(4)) == 4);

    const auto identity = p.profile_time("identity", [](int& n) -> int& { return n; });
    CHECK(&identity(variable) == &variable);
    const auto build = p.profile_time("build", [](int n) { return immovable(n); });
    CHECK(build(9).value == 9);
    const auto nothing = p.profile_time("nothing", [](std::unique_ptr<int> n) { CHECK(*n == 1); });
    nothing(std::make_unique<int>(1));
    CHECK(p.time_stats().size() == 5);
}

TEST_CASE("member functions and callables with a state can be profiled") {
    profiler p;
    counter c;
    auto next = p.profile_time("next", &counter::next);
    CHECK(next(c) == 1);
    CHECK(run(p.profile_time("next", &counter::next_later), c) == 2);
    auto count = p.profile_time("mutable", [n = 0]() mutable { return ++n; });
    CHECK(count() == 1);
    CHECK(count() == 2);
    CHECK(stats_of(p, "next").calls == 2);
}

TEST_CASE("calls that threw are counted apart, and their exceptions pass") {
    profiler p;
    auto timed = p.profile_time("fail", fail);
    CHECK_THROWS_WITH(run(timed), "no");
    const auto plain = p.profile_time("fail", [] { throw std::logic_error("bad"); });
    CHECK_THROWS_WITH(plain(), "bad");
    const auto unmade = p.profile_time("fail", [](int n) -> coro<int> {
        if (n < 0) { throw std::invalid_argument("negative"); }
        return wait_an_hour(n);
    });
    CHECK_THROWS_WITH(unmade(-1), "negative");

    const auto stats = stats_of(p, "fail");
    CHECK(stats.calls == 3);
    CHECK(stats.threw == 3);
    CHECK(stats.max == 1s);
}

TEST_CASE("cancelled calls are counted apart") {
    profiler p;
    virtual_loop v;
    auto t = v.loop.create_task(p.profile_time("wait", wait_an_hour)(1));
    v.loop.call_later(1min, [&t] { t.cancel(); });
    CHECK_THROWS_AS(v.loop.run_until_complete(t), cancelled_error);
    const auto plain = p.profile_time("wait", [] { throw cancelled_error(); });
    CHECK_THROWS_AS(plain(), cancelled_error);

    const auto stats = stats_of(p, "wait");
    CHECK(stats.calls == 2);
    CHECK(stats.cancelled == 2);
    CHECK(stats.max == 1min);
}

TEST_CASE("a call whose loop is closed under it counts as cancelled") {
    profiler p;
    {
        virtual_loop v;
        auto t = v.loop.create_task(p.profile_time("wait", wait_an_hour)(1));
        v.loop.call_later(1min, [&v] { v.loop.stop(); });
        v.loop.run_forever();
    }
    const auto stats = stats_of(p, "wait");
    CHECK(stats.cancelled == 1);
    CHECK(stats.total == 1min);
}

TEST_CASE("busy is the real time in the call's own steps") {
    profiler p;
    virtual_loop v;
    const auto others = [](std::chrono::nanoseconds work) -> coro<> {
        co_await sleep_for(30min);
        busy_wait(work);
    };
    auto t = v.loop.create_task(p.profile_time("work", work_and_wait)(2ms));
    auto other = v.loop.create_task(others(500ms));
    v.loop.run_until_complete(t);
    const auto stats = stats_of(p, "work");
    CHECK(stats.total == 2h);
    CHECK(stats.busy >= 5ms);
    CHECK(stats.busy < 500ms);
    CHECK(other.done());
}

TEST_CASE("busy leaves out what the task did before and after the call, in the same steps") {
    profiler p;
    virtual_loop v;
    const auto around = [](profiler& q) -> coro<> {
        busy_wait(300ms);
        auto work = q.profile_time("work", work_and_wait);
        co_await work(2ms);
        busy_wait(300ms);
    };
    v.loop.run_until_complete(around(p));
    CHECK(stats_of(p, "work").busy >= 5ms);
    CHECK(stats_of(p, "work").busy < 300ms);
}

TEST_CASE("a plain function outside a loop is timed by the steady clock") {
    profiler p;
    p.profile_time("spin", busy_wait)(2ms);
    const auto stats = stats_of(p, "spin");
    CHECK(stats.total >= 2ms);
    CHECK(stats.busy >= 1ms);
    CHECK(stats.total < 1h);
}

TEST_CASE("a plain function in a loop is timed by the loop's clock") {
    profiler p;
    virtual_loop v;
    v.loop.call_soon([&] {
        p.profile_time("spin", [&v] {
            busy_wait(2ms);
            v.clock.advance(1h);
        })();
    });
    v.loop.run_forever();
    CHECK(stats_of(p, "spin").total == 1h);
    CHECK(stats_of(p, "spin").busy >= 1ms);
    CHECK(stats_of(p, "spin").busy < 1h);
}

TEST_CASE("a scope is timed like a call") {
    profiler p;
    virtual_loop v;
    const auto scoped = [](profiler& q) -> coro<> {
        const auto timing = q.scoped_time("scope");
        co_await sleep_for(1h);
    };
    v.loop.run_until_complete(scoped(p));
    const auto failing = [&p] {
        const auto timing = p.scoped_time("scope");
        throw std::runtime_error("left");
    };
    CHECK_THROWS(failing());
    CHECK(stats_of(p, "scope").total >= 1h);
    CHECK(stats_of(p, "scope").returned == 1);
    CHECK(stats_of(p, "scope").threw == 1);
}

TEST_CASE("profiled functions can be profiled again") {
    profiler p;
    auto timed = p.profile_time("outer", p.profile_time("inner", wait_an_hour));
    CHECK(run(timed, 3) == 3);
    CHECK(stats_of(p, "outer").total == 1h);
    CHECK(stats_of(p, "inner").total == 1h);
}

TEST_CASE("concurrent calls of one name are counted each") {
    profiler p;
    auto timed = p.profile_time("wait", wait_an_hour);
    virtual_loop v;
    auto a = v.loop.create_task(timed(1));
    auto b = v.loop.create_task(timed(2));
    v.loop.run_until_complete(a);
    v.loop.run_until_complete(b);
    CHECK(v.clock.elapsed() == 1h);
    CHECK(stats_of(p, "wait").total == 2h);
}

TEST_CASE("the list of calls is bounded and keeps the last ones") {
    profiler p({.recent_calls = 10});
    virtual_loop v;
    auto timed = p.profile_time("wait", wait_an_hour);
    const auto often = [](decltype(timed)& f) -> coro<> {
        for (int i = 0; i < 10'000; ++i) {
            co_await f(i);
        }
    };
    v.loop.run_until_complete(often(timed));
    const auto stats = stats_of(p, "wait");
    CHECK(stats.calls == 10'000);
    CHECK(stats.recent_dropped == 9'990);
    REQUIRE(stats.recent.size() == 10);
    for (std::size_t i = 0; i < 10; ++i) {
        CHECK(stats.recent[i].start == 1h * (9'990 + i));
    }
}

TEST_CASE("calls of many lengths are added up, however many there are") {
    profiler p({.recent_calls = 3});
    virtual_loop v;
    const auto timed = p.profile_time("sleep", [](duration d) -> coro<> { co_await sleep_for(d); });
    for (int seconds = 1; seconds <= 100; ++seconds) {
        v.loop.run_until_complete(timed(1s * seconds));
        const auto stats = stats_of(p, "sleep");
        CHECK(stats.calls == static_cast<std::uint64_t>(seconds));
        CHECK(stats.total == 1s * seconds * (seconds + 1) / 2);
        CHECK(stats.min == 1s);
        CHECK(stats.max == 1s * seconds);
        CHECK(stats.last == stats.max);
        CHECK(stats.lengths.count() == stats.calls);
        CHECK(stats.lengths.sum() == stats.total);
        CHECK(stats.lengths.max() == stats.max);
        REQUIRE(stats.recent.size() == std::min<std::size_t>(stats.calls, 3));
        CHECK(stats.recent.back().delta == stats.last);
        CHECK(stats.recent_dropped == stats.calls - stats.recent.size());
    }
}

TEST_CASE("the number of names is bounded; the rest share one") {
    profiler p({.recent_calls = 0, .max_names = 3});
    for (int i = 0; i < 10; ++i) {
        p.profile_time("name " + std::to_string(i), twice)(i);
    }
    CHECK(p.time_stats().size() == 4);
    CHECK(stats_of(p, "(other)").calls == 7);
    CHECK(stats_of(p, "(other)").recent.empty());
    p.profile_time("name 1", twice)(1);
    CHECK(stats_of(p, "name 1").calls == 2);
}

TEST_CASE("a wrapped function may outlive its profiler") {
    auto timed = profiler().profile_time("twice", twice);
    CHECK(timed(4) == 8);
}

TEST_CASE("a profiler counts while it is started, and wrapped functions work all the same",
          "[instrumentation]") {
    profiler p({.starts_stopped = true});
    const auto timed = p.profile_time("twice", twice);
    CHECK(timed(2) == 4);
    CHECK(p.time_stats().empty());
    {
        const auto on = p.started();
        CHECK(timed(3) == 6);
        const auto inner = p.started();
    }
    CHECK(timed(4) == 8);
    CHECK(run(p.profile_time("wait", wait_an_hour), 5) == 5);
    { const auto timing = p.scoped_time("block"); }
    auto stats = p.time_stats();
    REQUIRE(stats.size() == 1);
    CHECK(stats.at("twice").calls == 1);
    p.start();
    CHECK(run(p.profile_time("wait", wait_an_hour), 5) == 5);
    p.stop();
    CHECK(p.time_stats().at("wait").calls == 1);
}

TEST_CASE("the statistics of a name have the distribution of all its calls", "[instrumentation]") {
    profiler p({.recent_calls = 1});
    const auto wait = p.profile_time("wait", wait_an_hour);
    CHECK(run(wait, 1) == 1);
    CHECK(run(wait, 2) == 2);
    const auto lengths = p.time_stats().at("wait").lengths;
    CHECK(lengths.count() == 2);
    CHECK(lengths.sum() == 2h);
    CHECK(lengths.percentile(99.99) == 1h);
}

TEST_CASE("the last handle of a profiler writes what was counted", "[instrumentation]") {
    std::ostringstream log;
    {
        profiler p({.recent_calls = 1, .log = &log});
        const auto wait = p.profile_time("wait", wait_an_hour);
        CHECK(run(wait, 1) == 1);
        CHECK(run(wait, 2) == 2);
        CHECK(log.str().empty());
    }
    const auto text = log.str();
    INFO(text);
    CHECK(text.find("wait: 1 earlier calls\nfunction wait was called at 0 and took: 1 h 00 m\n"
                    "wait: 2 calls, 0 threw, 0 cancelled; total 2 h 00 m, busy ")
          == 0);
    CHECK(text.find("; p50 1 h 00 m, p90 1 h 00 m, p99 1 h 00 m, p99.9 1 h 00 m, p99.99 1 h 00 m, "
                    "max 1 h 00 m\n")
          != std::string::npos);
}

TEST_CASE("the text of memory statistics has each call's rows", "[instrumentation]") {
    memory_stats stats;
    stats.calls = 2;
    stats.returned = 1;
    stats.threw = 1;
    stats.total = {300, 3, 100, 1};
    stats.recent.push_back({1s, {{"list.cpp:7", {300, 3, 100, 1}}}});
    stats.recent_dropped = 1;
    CHECK(log_text(report::memory_table{{"build", stats}}) ==
          R"(build: 1 earlier calls
Memory measurements for call of build at 1.00 s
  list.cpp:7: 200 bytes in 2 blocks (allocated 300 bytes in 3 blocks, freed 100 bytes in 1 blocks)
build: 2 calls, 1 threw, 0 cancelled; total 200 bytes in 2 blocks (allocated 300 bytes in 3 blocks, freed 100 bytes in 1 blocks)
)");
}
