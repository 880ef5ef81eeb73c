// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/event.hpp>
#include <coroscope/runtime/run.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/testkit/catch.hpp>
#include <coroscope/testkit/checkpoints.hpp>
#include <coroscope/testkit/eventually.hpp>
#include <coroscope/testkit/polled.hpp>
#include <coroscope/testkit/sequencer.hpp>

#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

using namespace std::chrono_literals;
using coroscope::coro;
using coroscope::testkit::this_test;

// --- A test case that is a coroutine

coro<> execute_timely(coroscope::duration delay, int times, std::function<coro<>(int)> call) {
    for (int i = 0; i < times; ++i) {
        co_await coroscope::sleep_for(delay);
        co_await call(i);
    }
}

CO_TEST_CASE("a timer calls three times, three seconds apart", "[recipe]") {
    std::vector<coroscope::duration> calls;
    const auto note = [&calls](int) {
        const auto at = [](std::vector<coroscope::duration>& to) -> coro<> {
            to.push_back(this_test().clock().elapsed());
            co_return;
        };
        return at(calls);
    };
    co_await execute_timely(3s, 3, note);
    CO_REQUIRE(calls == std::vector<coroscope::duration>{3s, 6s, 9s});
}

// --- Fixtures

using payload = std::shared_ptr<const std::string>;

struct with_namespace {
    coro<> set_up() {
        loop = &this_test().loop();  // a fresh one for each test
        co_return;
    }
    coro<> tear_down() {
        names.clear();
        co_return;
    }
    void set_later(coroscope::duration delay, std::string key, payload value) {
        loop->call_later(delay, [this, key, value] { names[key] = value; });
    }
    coroscope::loop* loop = nullptr;
    std::map<std::string, payload> names;
};

CO_TEST_CASE_METHOD(with_namespace, "an attribute is set when its time has come", "[recipe]") {
    const auto value = std::make_shared<const std::string>("the very object");
    set_later(1s, "key", value);
    co_await coroscope::sleep_for(1s);  // armed after the callback, so it ends after it
    CO_REQUIRE(names["key"] == value);
}

CO_TEST_CASE_METHOD(with_namespace, "each test has a fixture of its own", "[recipe]") {
    CO_CHECK(names.empty());
    CO_CHECK(this_test().clock().elapsed() == 0s);
    co_return;
}

// --- Examples in documentation

using argument = std::variant<std::monostate, int, std::string>;

/// True for a number above four; prints the others if there are both; otherwise it throws.
coro<bool> complicated(argument a, argument b, argument c) {
    co_await coroscope::yield_now();
    if (const auto* number = std::get_if<int>(&a); number != nullptr && *number > 4) {
        co_return true;
    }
    const auto* first = std::get_if<std::string>(&b);
    const auto* second = std::get_if<std::string>(&c);
    if (first == nullptr || second == nullptr) {
        throw std::invalid_argument("This value is not an int or larger than 4");
    }
    std::cout << *first << ' ' << *second << '\n';
    co_return false;
}

TEST_CASE("the documented examples of complicated", "[recipe]") {
    const argument none;
    CHECK(coroscope::run(complicated(5, none, none)));
    CHECK_THROWS_AS(coroscope::run(complicated(none, none, none)), std::invalid_argument);
    CHECK_FALSE(coroscope::run(complicated(none, "This", "will be printed out")));
}

// --- Assertions on scheduling

using coroscope::testkit::always;
using coroscope::testkit::assert_checkpoints;
using coroscope::testkit::assert_no_checkpoints;
using coroscope::testkit::eventually;
using coroscope::testkit::poll_state;
using coroscope::testkit::polled;
using coroscope::testkit::sequencer;

coro<> warm_up(bool& is_warm) {
    co_await coroscope::sleep_for(20s);
    is_warm = true;
}

CO_TEST_CASE("the engine gets warm, and stays so", "[recipe]") {
    bool is_warm = false;
    coroscope::testkit::background(warm_up(is_warm));
    const auto asks = [&is_warm] {
        return is_warm;
    };
    CO_CHECK(co_await eventually(asks, 30s));
    CO_CHECK(co_await always(asks, 1h));
}

CO_TEST_CASE("a sleep of nothing lets others run, an empty coroutine does not", "[recipe]") {
    const auto empty = []() -> coro<> {
        co_return;
    };
    {
        const assert_checkpoints here;
        co_await coroscope::sleep_for(0s);
    }
    {
        const assert_no_checkpoints here;
        co_await empty();
    }
}

coro<> write_then_read(sequencer& order, std::string& shared) {
    {
        const auto turn = co_await order.turn(0);
        shared = "ours";
    }
    const auto turn = co_await order.turn(2);
    CO_CHECK(shared == "theirs");  // they came in between, every time
}

CO_TEST_CASE("what the other task writes in between is seen", "[recipe]") {
    sequencer order;
    std::string shared;
    auto task = this_test().loop().create_task(write_then_read(order, shared));
    {
        const auto turn = co_await order.turn(1);
        shared = "theirs";
    }
    co_await task;
}

coro<int> wait_at(coroscope::event& door) {
    co_await door.wait();
    co_return 42;
}

TEST_CASE("a coroutine is polled by hand", "[recipe]") {
    coroscope::event door;
    polled<int> visitor(wait_at(door));
    CHECK(visitor.poll_once() == poll_state::pending);
    CHECK_FALSE(visitor.is_woken());
    door.set();
    CHECK(visitor.is_woken());
    CHECK(visitor.poll_once() == poll_state::ready);
    CHECK(visitor.result() == 42);
}
