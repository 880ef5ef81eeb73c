// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/races/race_detector.hpp>

#include <coroscope/instrumentation/races/shared.hpp>
#include <coroscope/runtime/queue.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "instrumentation/linted_loop.hpp"
#include "instrumentation/races/raced_loop.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <string>

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
          == "awaited at race_detector_test.cpp:LINE in wait_a_moment");
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
    v.start(receive(items, x), "receiver");
    v.start(send(items, x), "sender");
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
    {
        raced_loop v;
        log = v.races.log();
        number balance(0, "balance");
        v.start(deposit(balance, 1), "one");
        v.start(deposit(balance, 1), "two");
        v.run();
    }
    CHECK(log->findings().size() == 1);
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
