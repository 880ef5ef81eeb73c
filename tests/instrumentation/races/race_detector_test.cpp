// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/races/race_detector.hpp>

#include <coroscope/instrumentation/races/shared.hpp>
#include <coroscope/instrumentation/run_report.hpp>
#include <coroscope/runtime/mutex.hpp>
#include <coroscope/runtime/queue.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "instrumentation/linted_loop.hpp"
#include "instrumentation/races/raced_loop.hpp"
#include "instrumentation/races/waiting_tasks.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

using namespace coroscope;
using namespace coroscope::instrumentation;
using namespace std::chrono_literals;

namespace {

using number = shared<int>;

coro<> wait_a_moment() {
    co_await sleep_for(1s);
}

coro<> deposit(number& balance, int amount) {
    const auto before = balance.get();
    co_await wait_a_moment();
    balance.set(before + amount);
}

coro<> visit(number& balance) {
    co_await deposit(balance, 1);
}

coro<> send(queue<int>& to, number& x) {
    x.set(1);
    co_await to.put(1);
}

coro<> receive(queue<int>& from, number& x) {
    const int item = co_await from.get();
    x.set(x.get() + item);
    co_await yield_now();
    const int now = x.get();
    static_cast<void>(now);
}

// What instrumented code tells.
using coroscope::detail::access_kind;

void tell(const void* data, std::size_t bytes, access_kind kind, const void* code) {
    coroscope::detail::access_listener->on_access({data, bytes, kind, {}, code});
}

const void* address_of_code(void (*function)()) {
    return reinterpret_cast<const void*>(function);
}
[[gnu::noinline]] void reading_code() {
    asm volatile("");
}
[[gnu::noinline]] void writing_code() {
    asm volatile("" ::: "memory");
}

coro<> add_unannotated(int& x) {
    tell(&x, sizeof x, access_kind::read, address_of_code(reading_code));
    const int before = x;
    co_await yield_now();
    tell(&x, sizeof x, access_kind::write, address_of_code(writing_code));
    x = before + 1;
}

coro<> add_unannotated_again(int& x) {
    tell(&x, sizeof x, access_kind::read, address_of_code(reading_code));
    co_await yield_now();
    tell(&x, sizeof x, access_kind::read, address_of_code(reading_code));
    tell(&x, sizeof x, access_kind::write, address_of_code(writing_code));
    ++x;
}

coro<> free_between(int& x) {
    tell(&x, sizeof x, access_kind::read, address_of_code(reading_code));
    co_await yield_now();
    coroscope::detail::access_listener->on_end_of_life(&x, 16);
    tell(&x, sizeof x, access_kind::write, address_of_code(writing_code));
}

[[nodiscard]] std::string evidence_of(const report::finding& found, std::string_view label) {
    const auto item = std::ranges::find(found.evidence, label, &report::evidence_item::label);
    return item != found.evidence.end() ? without_lines(item->text) : "missing";
}

}  // namespace

TEST_CASE("a finding tells the whole story") {
    raced_loop v;
    number balance(0, "balance");
    v.start(visit(balance), "alice");
    v.start(deposit(balance, 2), "bob");
    v.run();
    const auto all = v.races.findings();
    REQUIRE(all.size() == 1);
    const auto& found = all[0];
    CHECK(found.rule == "stale-write");
    CHECK(found.severity == report::severity::error);
    CHECK(without_lines(found.message)
          == "task 2 (bob) read 'balance' at race_detector_test.cpp:LINE in deposit, awaited, and "
             "wrote at race_detector_test.cpp:LINE in deposit what it had computed from that read; "
             "between the two, task 1 (alice) wrote it at race_detector_test.cpp:LINE in deposit, "
             "so that that write is lost. Hold a mutex from the read to the write, or read again "
             "after the co_await and use that value, or use update().");
    CHECK(evidence_of(found, "variable") == "'balance'");
    CHECK(evidence_of(found, "first task").starts_with("task 2 (bob), created at "));
    CHECK(evidence_of(found, "other task").starts_with("task 1 (alice), created at "));
    CHECK(evidence_of(found, "first access") == "read at race_detector_test.cpp:LINE in deposit");
    CHECK(evidence_of(found, "second access") == "wrote at race_detector_test.cpp:LINE in deposit");
    CHECK(evidence_of(found, "other access") == "wrote at race_detector_test.cpp:LINE in deposit");
    CHECK(evidence_of(found, "await between")
          == "awaited at race_detector_test.cpp:LINE in deposit, and in it at "
             "race_detector_test.cpp:LINE in wait_a_moment");
    CHECK(evidence_of(found, "await of the other task")
          == "resumed from race_detector_test.cpp:LINE in deposit, and in it at "
             "race_detector_test.cpp:LINE in wait_a_moment");
    CHECK(evidence_of(found, "schedule")
          == "hold task 1 (alice) before its await number 1 until task 2 (bob) has passed its "
             "beginning");
    const auto other =
        std::ranges::find(found.evidence, "other access", &report::evidence_item::label);
    REQUIRE(other->stack.has_value());
    REQUIRE(other->stack->frames.size() == 2);
    CHECK(without_lines(other->stack->frames[0].function) == "deposit");
    CHECK(without_lines(other->stack->frames[1].function) == "visit");
}

TEST_CASE("one mistake is one finding, however often it is made") {
    raced_loop v;
    number balance(0, "balance");
    for (int i = 0; i < 10; ++i) {
        v.start(deposit(balance, i), "visitor");
    }
    v.run();
    CHECK(v.rules() == rule_list{"stale-write"});
    CHECK(v.races.candidates().size() == 1);
}

TEST_CASE("what is got from a queue comes after it was put there") {
    raced_loop v;
    number x(0, "x");
    queue<int> items;
    SECTION("by one who waited") {
        v.start(receive(items, x), "receiver");
        v.start(send(items, x), "sender");
    }
    SECTION("by one who did not have to") {
        v.start(send(items, x), "sender");
        v.start(receive(items, x), "receiver");
    }
    v.run();
    CHECK(v.rules().empty());
}

TEST_CASE("a callback comes after who posted it, and is a unit of its own") {
    raced_loop v;
    number x(0, "x");
    auto post = [](number& n) -> coro<> {
        n.set(1);
        get_running_loop().call_soon([&n] { n.set(2); });
        co_await yield_now();
        co_await yield_now();
        n.set(3);
    };
    v.start(post(x), "poster");
    v.run();
    CHECK(v.rules().empty());

    auto read_write = [](number& n) -> coro<> {
        const auto before = n.get();
        get_running_loop().call_soon([&n] { n.set(2); });
        co_await sleep_for(1s);
        n.set(before + 1);
    };
    v.start(read_write(x), "poster");
    v.run();
    REQUIRE(v.rules() == rule_list{"stale-write"});
    CHECK(v.races.findings()[0].message.find("callback ") != std::string::npos);
}

TEST_CASE("accesses that the compiler saw are judged by their addresses") {
    raced_loop v;
    alignas(8) std::array<int, 2> numbers{};
    SECTION("one number: the write is stale") {
        v.start(add_unannotated(numbers[0]), "one");
        v.start(add_unannotated(numbers[0]), "two");
        v.run();
        REQUIRE(v.rules() == rule_list{"stale-write"});
        if (COROSCOPE_TEST_NATIVE_STACKS) {
            CHECK(v.races.findings()[0].message.find("writing_code") != std::string::npos);
        }
    }
    SECTION("neighbours have nothing to do with each other") {
        v.start(add_unannotated(numbers[0]), "one");
        v.start(add_unannotated(numbers[1]), "two");
        v.run();
        CHECK(v.rules().empty());
    }
    SECTION("read again") {
        v.start(add_unannotated_again(numbers[0]), "one");
        v.start(add_unannotated_again(numbers[0]), "two");
        v.run();
        CHECK(v.rules().empty());
    }
    SECTION("something else lies there now") {
        v.start(free_between(numbers[0]), "one");
        v.start(free_between(numbers[0]), "two");
        v.run();
        CHECK(v.rules().empty());
    }
}

TEST_CASE("a detector without step times sees as much") {
    loop_options options;
    options.time_stats = false;
    virtual_loop v(options);
    race_detector races;
    races.attach_to(v.loop);
    number balance(0, "balance");
    auto one = v.loop.create_task(deposit(balance, 1), "one");
    auto two = v.loop.create_task(deposit(balance, 1), "two");
    v.loop.run_until_complete(one);
    v.loop.run_until_complete(two);
    CHECK(races.findings().size() == 1);
}

TEST_CASE("a detector is attached to one loop at a time") {
    raced_loop v;
    virtual_loop other;
    race_detector second;
    CHECK_THROWS_AS(v.races.attach_to(other.loop), std::logic_error);
    CHECK_THROWS_AS(second.attach_to(other.loop), std::logic_error);
    v.races.detach();
    v.races.attach_to(other.loop);
    CHECK(v.races.findings().empty());
}

TEST_CASE("findings stay when the detector and its loop are gone") {
    std::shared_ptr<const finding_log> log;
    run_report report("races");
    {
        raced_loop v;
        log = v.races.log();
        report.add(v.races);
        number balance(0, "balance");
        v.start(deposit(balance, 1), "one");
        v.start(deposit(balance, 1), "two");
        v.run();
    }
    CHECK(log->findings().size() == 1);
    CHECK(report.make().findings.size() == 1);
}

TEST_CASE("clocks are bounded however many tasks there were") {
    raced_loop v;
    number total(0, "total");
    auto child = [](number& n) -> coro<> {
        n.update([](int& value) { ++value; });
        co_return;
    };
    auto parent = [](number& n, auto work, int times) -> coro<> {
        for (int i = 0; i < times; ++i) {
            auto one = get_running_loop().create_task(work(n));
            co_await one;
        }
    };
    v.start(parent(total, child, 5000), "parent");
    v.run();
    CHECK(total.peek() == 5000);
    CHECK(v.rules().empty());
    CHECK(v.races.clock_slots_used() < 200);
}

// --- Locks

namespace {

coro<> add_locked(number& x, mutex& m) {
    const auto lock = co_await m.scoped();
    const auto before = x.get();
    co_await yield_now();
    x.set(before + 1);
}

coro<> add_with_two_locks(number& x, mutex& m) {
    int before = 0;
    {
        const auto lock = co_await m.scoped();
        before = x.get();
    }
    co_await yield_now();
    const auto lock = co_await m.scoped();
    x.set(before + 1);
}

coro<> add_by_child(number& x, mutex& m) {
    const auto lock = co_await m.scoped();
    auto child = get_running_loop().create_task(deposit(x, 1), "child");
    co_await child;
}

coro<> lock_two_below(mutex& gate, mutex& first, mutex& second) {
    const auto above = co_await gate.scoped();
    co_await lock_two(first, second);
}

coro<> lock_after(mutex& first, mutex& second, duration when) {
    co_await sleep_for(when);
    co_await lock_two(first, second);
}

coro<> try_second(mutex& first, mutex& second, duration when) {
    co_await sleep_for(when);
    const auto outer = co_await first.scoped();
    co_await yield_now();
    if (second.try_lock()) { second.unlock(); }
}

}  // namespace

TEST_CASE("a lock from the read to the write makes it right") {
    raced_loop v;
    number x(0, "x");
    mutex m;
    v.start(add_locked(x, m), "one");
    v.start(add_locked(x, m), "two");
    v.run();
    CHECK(v.rules().empty());
}

TEST_CASE("a lock for each access does not") {
    raced_loop v;
    number x(0, "x");
    mutex m;
    v.start(add_with_two_locks(x, m), "one");
    v.start(add_with_two_locks(x, m), "two");
    v.run();
    CHECK(v.rules() == rule_list{"stale-write"});
}

TEST_CASE("a task that awaits another lends it its locks") {
    raced_loop v;
    number x(0, "x");
    mutex m;
    v.start(add_by_child(x, m), "one");
    v.start(add_locked(x, m), "two");
    v.run();
    CHECK(v.rules().empty());
}

TEST_CASE("locks taken in both orders are found though nothing happened") {
    raced_loop v;
    mutex a;
    mutex b;
    v.start(lock_two(a, b), "one");
    v.start(lock_after(b, a, 1s), "two");
    v.run();
    REQUIRE(v.rules() == rule_list{"lock-order"});
    const auto found = v.races.findings()[0];
    CHECK(found.verdict == report::verdict::predicted);
    CHECK(without_lines(found.message)
          == "task 2 (two) locks mutex 1 at waiting_tasks.hpp:LINE in lock_two while it holds "
             "mutex 2, locked at waiting_tasks.hpp:LINE in lock_two; task 1 (one) locks mutex "
             "2 at waiting_tasks.hpp:LINE in lock_two while it holds mutex 1, locked at "
             "waiting_tasks.hpp:LINE in lock_two. If each has its first lock before another "
             "asks for it, all of them wait for ever. Take the locks in one order everywhere, or "
             "hold one more lock around both.");
    const schedule_policy::agent one{v.tasks[0].id(), true};
    const schedule_policy::agent two{v.tasks[1].id(), true};
    REQUIRE(v.races.candidates().size() == 1);
    CHECK(v.races.candidates()[0].holds
          == std::vector<race_hold>{{two, 2, one, 0}, {one, 1, two, 1}});
}

TEST_CASE("so are three in a circle") {
    raced_loop v;
    mutex a;
    mutex b;
    mutex c;
    v.start(lock_two(a, b), "one");
    v.start(lock_after(b, c, 1s), "two");
    v.start(lock_after(c, a, 2s), "three");
    v.run();
    CHECK(v.rules() == rule_list{"lock-order"});
}

TEST_CASE("both orders are harmless where they cannot meet") {
    raced_loop v;
    mutex gate;
    mutex a;
    mutex b;
    SECTION("under one more lock") {
        v.start(lock_two_below(gate, a, b), "one");
        v.start(lock_two_below(gate, b, a), "two");
    }
    SECTION("in one task") {
        auto both = [](mutex& first, mutex& second) -> coro<> {
            co_await lock_two(first, second);
            co_await lock_two(second, first);
        };
        v.start(both(a, b), "one");
    }
    SECTION("one after the other") {
        auto both = [](mutex& first, mutex& second) -> coro<> {
            auto one = get_running_loop().create_task(lock_two(first, second), "one");
            co_await one;
            auto two = get_running_loop().create_task(lock_two(second, first), "two");
            co_await two;
        };
        v.start(both(a, b), "main");
    }
    SECTION("where one of them only tries") {
        v.start(lock_two(a, b), "one");
        v.start(try_second(b, a, 1s), "two");
    }
    v.run();
    CHECK(v.rules().empty());
}

TEST_CASE("locks that are taken in the order of their addresses are no inversion") {
    raced_loop v;
    std::array<mutex, 3> accounts;
    auto transfer = [](mutex& from, mutex& to) -> coro<> {
        co_await lock_two(std::min(&from, &to) == &from ? from : to,
                          std::max(&from, &to) == &to ? to : from);
    };
    v.start(transfer(accounts[0], accounts[1]), "one");
    v.start(transfer(accounts[2], accounts[1]), "two");
    v.start(transfer(accounts[2], accounts[0]), "three");
    v.run();
    CHECK(v.rules().empty());
}

TEST_CASE("a wait for a lock that was given up closes no circle") {
    mutex a;
    mutex b;
    auto give_up = [](mutex& first, mutex& second) -> coro<> {
        const auto held = co_await first.scoped();
        try {
            co_await second.lock();
        } catch (const cancelled_error&) {}
        co_await sleep_for(2s);
    };
    auto come_later = [](mutex& first, mutex& second, std::vector<task<>>& tasks) -> coro<> {
        const auto held = co_await first.scoped();
        co_await sleep_for(1s);
        tasks.back().cancel();
        co_await sleep_for(1s);
        const auto both = co_await second.scoped();
    };
    loop_options options;
    options.time_stats = GENERATE(true, false);
    raced_loop v({}, options);
    v.start(come_later(b, a, v.tasks), "one");
    v.start(give_up(a, b), "two");
    v.run();
    const auto rules = v.rules();
    CHECK(std::ranges::find(rules, "lock-cycle") == rules.end());
}
