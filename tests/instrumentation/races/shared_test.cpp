// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/races/shared.hpp>

#include <coroscope/runtime/future.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "instrumentation/races/raced_loop.hpp"
#include "support/catch.hpp"

#include <map>
#include <string>

using namespace coroscope;
using namespace coroscope::instrumentation;
using namespace std::chrono_literals;

namespace {

using number = shared<int>;

coro<> add_stale(number& x, int amount) {
    const auto before = x.get();
    co_await yield_now();
    x.set(before + amount);
}

coro<> add_stale_plain(number& x, int amount) {
    const int before = x.get();
    co_await yield_now();
    x.set(before + amount);
}

coro<> add_after_useless_look(number& x, int amount) {
    const auto before = x.get();
    co_await yield_now();
    static_cast<void>(x.get());
    x.set(before + amount);
}

coro<> add_after_look(number& x, int amount) {
    static_cast<void>(static_cast<int>(x.get()));
    co_await yield_now();
    const auto now = x.get();
    x.set(now + amount);
}

coro<> add_often(number& x, int times) {
    for (int i = 0; i < times; ++i) {
        const int before = x.get();
        x.set(before + 1);
        co_await yield_now();
    }
}

coro<> update_often(number& x, int times) {
    for (int i = 0; i < times; ++i) {
        x.update([](int& value) { ++value; });
        co_await yield_now();
    }
}

coro<> look_and_log(number& x, std::string& log) {
    log += std::to_string(x.peek());
    co_await yield_now();
    log += std::to_string(x.peek());
}

coro<> set_once(number& x, int value) {
    co_await yield_now();
    x.set(value);
}

coro<> set_at_once(number& x, int value) {
    x.set(value);
    co_return;
}

coro<> start_if_idle(number& running, number& starts) {
    if (running.get() == 0) {
        co_await yield_now();
        starts.update([](int& n) { ++n; });
    }
}

coro<> start_if_still_idle(number& running, number& starts) {
    if (running.get() == 0) {
        co_await yield_now();
        if (running.get() == 0) {
            starts.update([](int& n) { ++n; });
        }
    }
}

coro<> fill_if_empty(number& cache) {
    if (cache.get() == 0) {
        co_await yield_now();
        cache.set(42);
    }
}

coro<> wait_for_flag(shared<bool>& flag, number& seen) {
    while (!flag.get()) {
        co_await yield_now();
    }
    seen.set(1);
}

coro<> raise_flag(shared<bool>& flag) {
    co_await yield_now();
    co_await yield_now();
    flag.set(true);
}

coro<> read_twice(number& x, int& difference) {
    const int first = x.get();
    co_await yield_now();
    const int second = x.get();
    difference = second - first;
}

coro<> write_and_believe(number& x, int& seen) {
    x.set(1);
    co_await yield_now();
    const int mine = x.get();
    seen = mine;
}

coro<> show_intermediate(number& x) {
    x.set(1);
    co_await yield_now();
    x.set(2);
}

coro<> use_value(number& x, int& seen) {
    const int value = x.get();
    seen = value;
    co_return;
}

coro<> move_money(number& from, number& to, int amount) {
    from.update([&](int& value) { value -= amount; });
    co_await yield_now();
    to.update([&](int& value) { value += amount; });
}

coro<> move_money_at_once(number& from, number& to, int amount) {
    co_await yield_now();
    from.update([&](int& value) { value -= amount; });
    to.update([&](int& value) { value += amount; });
    co_await yield_now();
}

coro<> add_up(number& a, number& b, int& sum) {
    sum = a.get() + b.get();
    co_return;
}

coro<> add_up_slowly(number& a, number& b, int& sum) {
    const int first = a.get();
    co_await yield_now();
    const int second = b.get();
    sum = first + second;
}

coro<> count_benignly(number& hits) {
    const benign why("an estimate is good enough");
    const int before = hits.get();
    co_await yield_now();
    hits.set(before + 1);
}

}  // namespace

// --- stale-write

TEST_CASE("a value written back after another task's write is a stale write") {
    raced_loop v;
    number x(0, "balance");
    v.start(add_stale(x, 1), "alice");
    v.start(add_stale(x, 2), "bob");
    v.run();
    CHECK(v.rules() == rule_list{"stale-write"});
    CHECK(x.peek() == 2);
}

TEST_CASE("so is one of which only a copy was kept") {
    raced_loop v;
    number x(0, "balance");
    v.start(add_stale_plain(x, 1), "alice");
    v.start(add_stale_plain(x, 2), "bob");
    v.run();
    CHECK(v.rules() == rule_list{"stale-write"});
}

TEST_CASE("reading again does not help if the value that is written comes from before") {
    raced_loop v;
    number x(0, "balance");
    v.start(add_after_useless_look(x, 1), "alice");
    v.start(add_after_useless_look(x, 2), "bob");
    v.run();
    CHECK(v.rules() == rule_list{"stale-write"});
}

TEST_CASE("reading again and using that value does") {
    raced_loop v;
    number x(0, "balance");
    v.start(add_after_look(x, 1), "alice");
    v.start(add_after_look(x, 2), "bob");
    v.run();
    CHECK(v.rules().empty());
    CHECK(x.peek() == 3);
}

TEST_CASE("read and write in one step are no race, however often") {
    raced_loop v;
    number x(0, "balance");
    SECTION("by get and set") {
        v.start(add_often(x, 3), "alice");
        v.start(add_often(x, 3), "bob");
    }
    SECTION("by update") {
        v.start(update_often(x, 3), "alice");
        v.start(update_often(x, 3), "bob");
    }
    v.run();
    CHECK(v.rules().empty());
    CHECK(x.peek() == 6);
}

TEST_CASE("a stale write is predicted where the other write came before or after") {
    raced_loop v;
    number x(0, "balance");
    SECTION("before") {
        v.start(set_at_once(x, 5), "writer");
        v.start(add_stale(x, 1), "adder");
    }
    SECTION("after") {
        v.start(add_stale(x, 1), "adder");
        auto late = [](number& n) -> coro<> {
            co_await sleep_for(1s);
            n.set(7);
        };
        v.start(late(x), "writer");
    }
    v.run();
    REQUIRE(v.rules() == rule_list{"stale-write"});
    CHECK(v.races.findings()[0].verdict == report::verdict::predicted);
    CHECK(v.races.candidates().size() == 1);
}

TEST_CASE("a write that was awaited before, or waits for this task, cannot come between") {
    raced_loop v;
    number x(0, "balance");
    auto body = [](number& n) -> coro<> {
        auto first = get_running_loop().create_task(set_at_once(n, 5), "writer");
        co_await first;
        co_await add_stale(n, 1);
        auto last = get_running_loop().create_task(set_at_once(n, 5), "writer");
        co_await last;
    };
    v.start(body(x), "main");
    v.run();
    CHECK(v.rules().empty());
}

TEST_CASE("a future that is awaited orders what comes before and after") {
    raced_loop v;
    number x(0, "balance");
    auto ready = v.v.loop.create_future<>();
    auto writer = [](number& n, future<> f) -> coro<> {
        n.set(5);
        f.set_result();
        co_return;
    };
    auto adder = [](number& n, future<> f) -> coro<> {
        co_await f;
        co_await add_stale(n, 1);
    };
    v.start(adder(x, ready), "adder");
    v.start(writer(x, ready), "writer");
    v.run();
    CHECK(v.rules().empty());
}

TEST_CASE("a look for the log is no read") {
    raced_loop v;
    number x(0, "balance");
    std::string log;
    v.start(look_and_log(x, log), "logger");
    v.start(set_once(x, 3), "writer");
    v.run();
    CHECK(v.rules().empty());
    CHECK(log == "00");
}

TEST_CASE("a value that comes from another variable makes no stale write") {
    raced_loop v;
    number x(0, "x");
    number y(3, "y");
    auto copy = [](number& from, number& to) -> coro<> {
        static_cast<void>(static_cast<int>(to.get()));
        co_await yield_now();
        to.set(from.get() + 1);
    };
    v.start(copy(y, x), "copier");
    v.start(set_at_once(x, 5), "writer");
    v.run();
    CHECK(v.rules().empty());
}

TEST_CASE("a variable that is watched elsewhere is found by its address") {
    raced_loop v;
    std::map<std::string, int> db{{"value", 0}};
    auto add = [](std::map<std::string, int>& rows, int amount) -> coro<> {
        auto value = watch("db[value]", rows["value"]);
        const auto before = value.get();
        co_await yield_now();
        value.set(before + amount);
    };
    v.start(add(db, 1), "one");
    v.start(add(db, 1), "two");
    v.run();
    CHECK(v.rules() == rule_list{"stale-write"});
}

// --- check-then-act

TEST_CASE("what is done because of a test that another task makes wrong is found") {
    raced_loop v;
    number running(0, "running");
    number starts(0, "starts");
    v.start(start_if_idle(running, starts), "starter");
    v.start(set_at_once(running, 1), "runner");
    v.run();
    CHECK(v.rules() == rule_list{"check-then-act"});
}

TEST_CASE("so is what fills the variable that was tested") {
    raced_loop v;
    number cache(0, "cache");
    v.start(fill_if_empty(cache), "one");
    v.start(fill_if_empty(cache), "two");
    v.run();
    CHECK(v.rules() == rule_list{"check-then-act"});
}

TEST_CASE("a second test after the suspension makes it right") {
    raced_loop v;
    number running(0, "running");
    number starts(0, "starts");
    v.start(start_if_still_idle(running, starts), "starter");
    v.start(set_at_once(running, 1), "runner");
    v.run();
    CHECK(v.rules().empty());
}

TEST_CASE("waiting until a flag is set is harmless") {
    raced_loop v;
    shared<bool> flag(false, "flag");
    number seen(0, "seen");
    v.start(wait_for_flag(flag, seen), "waiter");
    v.start(raise_flag(flag), "setter");
    v.run();
    CHECK(v.rules().empty());
    CHECK(seen.peek() == 1);
}

// --- unserialisable

TEST_CASE("two reads with a write between fit no order") {
    raced_loop v;
    number x(0, "x");
    int difference = 0;
    v.start(read_twice(x, difference), "reader");
    v.start(set_at_once(x, 3), "writer");
    v.run();
    REQUIRE(v.rules() == rule_list{"unserialisable"});
    CHECK(v.races.findings()[0].message.find("R-W-R") != std::string::npos);
}

TEST_CASE("a write that is not what its writer reads afterwards fits no order") {
    raced_loop v;
    number x(0, "x");
    int seen = 0;
    v.start(write_and_believe(x, seen), "writer");
    v.start(set_at_once(x, 3), "other");
    v.run();
    REQUIRE(v.rules() == rule_list{"unserialisable"});
    CHECK(v.races.findings()[0].message.find("W-W-R") != std::string::npos);
}

TEST_CASE("a value between two writes that another task uses fits no order") {
    raced_loop v;
    number x(0, "x");
    int seen = 0;
    v.start(show_intermediate(x), "writer");
    v.start(use_value(x, seen), "reader");
    v.run();
    REQUIRE(v.rules() == rule_list{"unserialisable"});
    CHECK(v.races.findings()[0].message.find("W-R-W") != std::string::npos);
}

// --- torn-group

TEST_CASE("a group that is seen between two parts of its update is torn") {
    raced_loop v;
    number a(10, "a");
    number b(0, "b");
    const invariant_group both("accounts", a, b);
    int sum = 0;
    v.start(move_money(a, b, 5), "mover");
    v.start(add_up(a, b, sum), "auditor");
    v.run();
    CHECK(v.rules() == rule_list{"torn-group"});
    CHECK(sum == 5);
}

TEST_CASE("so is what was read in two parts with an update between") {
    raced_loop v;
    number a(10, "a");
    number b(0, "b");
    const invariant_group both("accounts", a, b);
    int sum = 0;
    v.start(add_up_slowly(a, b, sum), "auditor");
    v.start(move_money_at_once(a, b, 5), "mover");
    v.run();
    CHECK(v.rules() == rule_list{"torn-group"});
}

TEST_CASE("a group that is updated and read in one step each is whole") {
    raced_loop v;
    number a(10, "a");
    number b(0, "b");
    const invariant_group both("accounts", a, b);
    int sum = 0;
    auto twice = [](number& from, number& to) -> coro<> {
        co_await move_money_at_once(from, to, 5);
        co_await move_money_at_once(from, to, 5);
    };
    v.start(twice(a, b), "one");
    v.start(twice(a, b), "two");
    v.start(add_up(a, b, sum), "auditor");
    v.run();
    CHECK(v.rules().empty());
}

// --- benign, suppressed

TEST_CASE("what is declared benign is counted") {
    raced_loop v;
    number hits(0, "hits");
    v.start(count_benignly(hits), "one");
    v.start(count_benignly(hits), "two");
    v.run();
    CHECK(v.rules().empty());
    CHECK(v.races.benign_count() > 0);
}

TEST_CASE("findings are suppressed by variable, file and task") {
    race_suppression rule;
    rule.reason = "known";
    bool matches = true;
    SECTION("variable") {
        rule.symbol = "balance";
    }
    SECTION("function") {
        rule.symbol = "add_stale";
    }
    SECTION("file") {
        rule.file = "shared_test.cpp";
    }
    SECTION("task") {
        rule.task = "bob";
    }
    SECTION("all that is given has to match") {
        rule.task = "bob";
        rule.symbol = "another";
        matches = false;
    }
    race_options options;
    options.suppressions.push_back(rule);
    raced_loop v(options);
    number x(0, "balance");
    v.start(add_stale(x, 1), "alice");
    v.start(add_stale(x, 2), "bob");
    v.run();
    CHECK(v.rules().empty() == matches);
    CHECK((v.races.benign_count() > 0) == matches);
}

TEST_CASE("without a detector a shared variable is a plain one") {
    number x(1);
    x.set(x.get() + 1);
    CHECK(x.update([](int& value) { return ++value; }) == 3);
    CHECK(x.peek() == 3);
    CHECK(sizeof(number) <= 48);
}
