// SPDX-License-Identifier: Apache-2.0
// A variable's history is short. What matters in it outlasts a crowd.
#include <coroscope/instrumentation/races/shared.hpp>

#include <coroscope/runtime/event.hpp>
#include <coroscope/runtime/mutex.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "instrumentation/races/raced_loop.hpp"
#include "support/catch.hpp"

#include <deque>
#include <string>
#include <vector>

using namespace coroscope;
using namespace coroscope::instrumentation;

namespace {

using number = shared<int>;

constexpr int crowd = 1000;

coro<> add_stale(number& x) {
    const auto before = x.get();
    co_await yield_now();
    x.set(before + 1);
}

coro<> add_locked(number& x, mutex& m) {
    const auto held = co_await m.scoped();
    const auto before = x.get();
    co_await yield_now();
    x.set(before + 1);
}

/// All at the same lines: in one step, or when `go_on` is set.
coro<> add(number& x, event* go_on) {
    const auto before = x.get();
    if (go_on != nullptr) { co_await go_on->wait(); }
    x.set(before + 1);
}

coro<> look(number& x) {
    static_cast<void>(static_cast<int>(x.get()));
    co_await yield_now();
}

coro<> look_often(number& x) {
    for (int i = 0; i < crowd; ++i) {
        if (x.get() == -1) { co_return; }
        co_await yield_now();
    }
}

coro<> set_once(number& x) {
    x.set(7);
    co_return;
}

/// Begins with a look that is out of date later. What it may write it has read after `is_set`.
coro<> add_after_second_look(number& x, event& is_set, event& go_on, bool writes) {
    static_cast<void>(static_cast<int>(x.get()));
    co_await is_set.wait();
    const auto again = x.get();
    if (again == 0) { co_return; }
    const int before = again;
    co_await go_on.wait();
    if (writes) { x.set(before + 1); }
}

coro<> set_and_tell(number& x, event& is_set) {
    x.set(7);
    is_set.set();
    co_return;
}

coro<> set_event(event& e, int after) {
    for (int i = 0; i < after; ++i) {
        co_await yield_now();
    }
    e.set();
}

template <class Start>
void start_crowd(raced_loop& v, const Start& work) {
    for (int i = 0; i < crowd; ++i) {
        v.start(work(), "one of many");
    }
}

coro<> take_two(mutex& one, mutex& other) {
    const auto first = co_await one.scoped();
    co_await yield_now();
    const auto second = co_await other.scoped();
}

std::string seen_of(const report::finding& found) {
    for (const auto& each : found.evidence) {
        if (each.label == "seen") { return each.text; }
    }
    return "once";
}

}  // namespace

TEST_CASE("a thousand tasks that read before the first of them writes") {
    raced_loop v;
    number x(0, "x");
    start_crowd(v, [&] { return add_stale(x); });
    v.run();
    CHECK(v.rules() == rule_list{"stale-write"});
}

TEST_CASE("a thousand tasks that do so under a mutex are right") {
    raced_loop v;
    number x(0, "x");
    mutex m;
    start_crowd(v, [&] { return add_locked(x, m); });
    v.run();
    CHECK(x.peek() == crowd);
    CHECK(v.rules().empty());
}

TEST_CASE("a thousand updates come and go while one is under way") {
    raced_loop v;
    number x(0, "x");
    event go_on;
    v.start(add(x, &go_on), "slow");
    start_crowd(v, [&] { return add(x, nullptr); });
    v.start(set_event(go_on, 3), "last");
    v.run();
    CHECK(x.peek() == 1);
    CHECK(v.rules() == rule_list{"stale-write"});
}

TEST_CASE("a thousand updates in one step each are right") {
    raced_loop v;
    number x(0, "x");
    start_crowd(v, [&] { return add(x, nullptr); });
    v.run();
    CHECK(x.peek() == crowd);
    CHECK(v.rules().empty());
}

TEST_CASE("one writes, and a thousand look on until the write that loses it") {
    raced_loop v;
    number x(0, "x");
    event go_on;
    v.start(add(x, &go_on), "slow");
    v.start(set_once(x), "writer");
    start_crowd(v, [&] { return look(x); });
    v.start(set_event(go_on, 3), "last");
    v.run();
    CHECK(v.rules() == rule_list{"stale-write"});
}

TEST_CASE("one writes, and somebody looks a thousand times until the write that loses it") {
    raced_loop v;
    number x(0, "x");
    event go_on;
    v.start(add(x, &go_on), "slow");
    v.start(set_once(x), "writer");
    v.start(look_often(x), "onlooker");
    v.start(set_event(go_on, crowd + 3), "last");
    v.run();
    CHECK(v.rules() == rule_list{"stale-write"});
}

TEST_CASE("a second look among a thousand is not forgotten before the first") {
    raced_loop v;
    number x(0, "x");
    event is_set;
    event go_on;
    const int which = GENERATE(5, 500, 985, 990, 999);
    for (int i = 0; i < crowd; ++i) {
        v.start(add_after_second_look(x, is_set, go_on, i == which), "one of many");
    }
    v.start(set_and_tell(x, is_set), "setter");
    v.start(set_event(go_on, 3), "last");
    v.run();
    CHECK(x.peek() == 8);
    for (const auto& f : v.races.findings()) {
        UNSCOPED_INFO(f.message);
    }
    CHECK(v.rules().empty());
}

TEST_CASE("a ring of a thousand tasks is one circle") {
    std::deque<mutex> forks(crowd);  // outlive the tasks that hold them
    raced_loop v;
    for (std::size_t i = 0; i < forks.size(); ++i) {
        v.start(take_two(forks[i], forks[(i + 1) % forks.size()]), "philosopher");
    }
    v.run();
    v.races.note_hang();
    std::vector<std::string> circles;
    for (const auto& each : v.races.findings()) {
        if (each.rule == "lock-cycle") { circles.push_back(seen_of(each)); }
    }
    // When the last of them began to wait, and at the hang.
    CHECK(circles == std::vector<std::string>{"2 times"});
}
