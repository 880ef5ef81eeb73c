// SPDX-License-Identifier: Apache-2.0
#include <coroscope/testkit/mock.hpp>

#include "support/catch.hpp"

#include <coroscope/testkit/catch.hpp>

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/run.hpp>
#include <coroscope/runtime/sleep.hpp>

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

using namespace std::chrono_literals;
using coroscope::coro;
using coroscope::testkit::anything;
using coroscope::testkit::assertion_error;
using coroscope::testkit::coroutine_mock;
using coroscope::testkit::matching;
using coroscope::testkit::mock_log;
using coroscope::testkit::this_test;

namespace {

using fetch_function = std::function<coro<int>(std::string)>;

struct client {
    fetch_function fetch;
    coro<int> sum(std::string a, std::string b) {
        const int first = co_await fetch(a);
        const int second = co_await fetch(b);
        co_return first + second;
    }
};

coro<int> length_of(std::string text) {
    co_await coroscope::sleep_for(1s);
    co_return static_cast<int>(text.size());
}

coro<int> use(coroutine_mock<int(std::string)>& fetch, std::string what) {
    return fetch(std::move(what));
}

template <class Callable>
coro<int> call_by_reference(const Callable& fetch) {
    co_return co_await fetch("by reference");
}

/// Not copyable, and told apart by address.
struct connection {
    connection() = default;
    connection(const connection&) = delete;
    connection& operator=(const connection&) = delete;
};

}  // namespace

CO_TEST_CASE("a mock gives one answer to all", "[mock]") {
    coroutine_mock<int(std::string)> fetch("fetch");
    fetch.returns(3);
    CO_CHECK(co_await fetch("a") == 3);
    CO_CHECK(co_await fetch("b") == 3);
    CO_CHECK(fetch.call_count() == 2);
    CO_CHECK(fetch.await_count() == 2);
}

CO_TEST_CASE("answers for one await come first, in order", "[mock]") {
    coroutine_mock<int(std::string)> fetch("fetch");
    fetch.returns(9).returns_in_turn(1, 2).throws_once(std::runtime_error("busy"));
    CO_CHECK(co_await fetch("a") == 1);
    CO_CHECK(co_await fetch("b") == 2);
    CO_CHECK_THROWS_AS(co_await fetch("c"), std::runtime_error);
    CO_CHECK(co_await fetch("d") == 9);
}

CO_TEST_CASE("a mock may throw what it is given, an exception pointer too", "[mock]") {
    coroutine_mock<void()> stop("stop");
    stop.throws(coroscope::timeout_error("late"));
    CO_CHECK_THROWS_AS(co_await stop(), coroscope::timeout_error);
    stop.throws(std::make_exception_ptr(std::out_of_range("far")));
    CO_CHECK_THROWS_AS(co_await stop(), std::out_of_range);
    stop.returns();
    co_await stop();
    CO_CHECK(stop.await_count() == 3);
}

CO_TEST_CASE("a side effect may be a plain function or a coroutine function", "[mock]") {
    coroutine_mock<int(std::string)> fetch("fetch");
    fetch.side_effect([](const std::string& text) { return static_cast<int>(text.size()) * 10; });
    CO_CHECK(co_await fetch("abc") == 30);
    fetch.side_effect(length_of);
    CO_CHECK(co_await fetch("abcd") == 4);
    CO_CHECK(this_test().clock().elapsed() == 1s);
    fetch.side_effect_once([](const std::string&) -> int { throw std::runtime_error("once"); });
    CO_CHECK_THROWS_AS(co_await fetch("a"), std::runtime_error);
    CO_CHECK(co_await fetch("ab") == 2);
}

CO_TEST_CASE("a delay passes in virtual time, before each answer", "[mock]") {
    coroutine_mock<int(std::string)> fetch("fetch");
    fetch.delays(2h).returns(1);
    CO_CHECK(co_await fetch("a") == 1);
    CO_CHECK(this_test().clock().elapsed() == 2h);
    CO_CHECK_THROWS_AS(co_await coroscope::wait_for(fetch("b"), 1h), coroscope::timeout_error);
    CO_CHECK(fetch.await_count() == 2);
}

CO_TEST_CASE("a call is not an await", "[mock]") {
    coroutine_mock<int(std::string)> fetch("fetch");
    fetch.returns_in_turn(1, 2);
    auto first = fetch("a");
    auto second = fetch("b");
    CO_CHECK(fetch.call_count() == 2);
    fetch.assert_not_awaited();
    CO_CHECK(co_await std::move(second) == 1);  // answers go by awaits
    CO_CHECK(co_await std::move(first) == 2);
    fetch.assert_awaits_in_order({{"b"}, {"a"}});
    fetch.assert_all_awaited();
}

CO_TEST_CASE("awaits are asserted by count and by arguments", "[mock]") {
    coroutine_mock<int(std::string, int)> fetch("fetch");
    fetch.returns(0);
    fetch.assert_not_awaited();
    CO_CHECK_THROWS_AS(fetch.assert_awaited(), assertion_error);
    CO_CHECK_THROWS_AS(fetch.assert_awaited_once(), assertion_error);
    CO_CHECK_THROWS_AS(fetch.assert_awaited_with("a", 1), assertion_error);
    static_cast<void>(co_await fetch("a", 1));
    fetch.assert_awaited();
    fetch.assert_awaited_once();
    fetch.assert_awaited_once_with("a", 1);
    CO_CHECK_THROWS_AS(fetch.assert_awaited_once_with("a", 2), assertion_error);
    CO_CHECK_THROWS_AS(fetch.assert_not_awaited(), assertion_error);
    static_cast<void>(co_await fetch("b", 2));
    fetch.assert_awaited_with("b", 2);
    CO_CHECK_THROWS_AS(fetch.assert_awaited_with("a", 1), assertion_error);
    CO_CHECK_THROWS_AS(fetch.assert_awaited_once(), assertion_error);
    CO_CHECK_THROWS_AS(fetch.assert_awaited_once_with("b", 2), assertion_error);
    fetch.assert_any_await("a", 1);
    CO_CHECK_THROWS_AS(fetch.assert_any_await("a", 2), assertion_error);
}

CO_TEST_CASE("an order of awaits may have gaps, but not turns", "[mock]") {
    coroutine_mock<int(std::string, int)> fetch("fetch");
    fetch.returns(0);
    for (int i = 0; i < 4; ++i) {
        static_cast<void>(co_await fetch("x", i));
    }
    fetch.assert_awaits_in_order({{"x", 0}, {"x", 3}});
    fetch.assert_awaits_in_order({{anything, 1}, {"x", anything}});
    fetch.assert_awaits_in_order({});
    CO_CHECK_THROWS_AS(fetch.assert_awaits_in_order({{"x", 3}, {"x", 0}}), assertion_error);
    CO_CHECK_THROWS_AS(fetch.assert_awaits_in_order({{"x", 1}, {"x", 1}}), assertion_error);
}

CO_TEST_CASE("an expected argument may be anything, or what a predicate accepts", "[mock]") {
    coroutine_mock<void(std::string, int)> send("send");
    co_await send("hello", 7);
    send.assert_awaited_with(anything, 7);
    send.assert_awaited_with(matching([](const std::string& s) { return s.size() == 5; }), 7);
    CO_CHECK_THROWS_AS(
        send.assert_awaited_with("hello", matching([](int n) { return n < 0; }, "a negative one")),
        assertion_error);
}

CO_TEST_CASE("a mock may be injected as a std::function and by reference", "[mock]") {
    coroutine_mock<int(std::string)> fetch("fetch");
    fetch.returns_in_turn(1, 2, 3, 4);
    client c;
    const auto scope = coroscope::testkit::patch(c.fetch, fetch);
    CO_CHECK(co_await c.sum("a", "b") == 3);
    CO_CHECK(co_await call_by_reference(fetch) == 3);
    CO_CHECK(co_await use(fetch, "x") == 4);
    fetch.assert_awaits_in_order({{"a"}, {"b"}, {"by reference"}, {"x"}});
}

CO_TEST_CASE("a mock may be run by tasks, at the same time", "[mock]") {
    coroutine_mock<int(std::string)> fetch("fetch");
    fetch.side_effect(length_of);
    auto both = coroscope::gather(fetch("a"), fetch("bc"));
    const auto [a, b] = co_await both;
    CO_CHECK(a == 1);
    CO_CHECK(b == 2);
    CO_CHECK(this_test().clock().elapsed() == 1s);
    fetch.assert_awaits_in_order({{"a"}, {"bc"}});
}

CO_TEST_CASE("arguments and results may be move-only", "[mock]") {
    coroutine_mock<std::unique_ptr<int>(std::unique_ptr<int>)> exchange("exchange");
    exchange.returns(std::make_unique<int>(1));
    const auto got = co_await exchange(std::make_unique<int>(5));
    CO_CHECK(*got == 1);
    CO_CHECK(*exchange.awaited_argument<0>(0) == 5);
    exchange.assert_awaited_with(
        matching([](const std::unique_ptr<int>& p) { return p != nullptr && *p == 5; }));
    exchange.side_effect([](std::unique_ptr<int> p) { return p; });
    const auto same = co_await exchange(std::make_unique<int>(6));
    CO_CHECK(*same == 6);
    CO_CHECK_THROWS_AS(exchange.awaited_argument<0>(1), assertion_error);
    CO_CHECK_THROWS_AS(exchange.awaited_argument<0>(2), assertion_error);
}

CO_TEST_CASE("results may be references", "[mock]") {
    int value = 1;
    coroutine_mock<int&()> find("find");
    find.returns(value);
    int& found = co_await find();
    found = 2;
    CO_CHECK(value == 2);
}

CO_TEST_CASE("an argument by reference is kept as it was when the call came", "[mock]") {
    coroutine_mock<void(std::vector<int>&)> fill("fill");
    fill.side_effect([](std::vector<int>& to) { to.push_back(3); });
    std::vector<int> numbers{1, 2};
    co_await fill(numbers);
    CO_CHECK(numbers.size() == 3);
    fill.assert_awaited_with(std::vector<int>{1, 2});
}

CO_TEST_CASE("what cannot be copied is told by its address", "[mock]") {
    coroutine_mock<void(connection&)> drop("drop");
    connection one;
    connection other;
    co_await drop(one);
    drop.assert_awaited_with(one);
    CO_CHECK_THROWS_AS(drop.assert_awaited_with(other), assertion_error);
}

CO_TEST_CASE("views and C strings are kept as the text they showed", "[mock]") {
    coroutine_mock<void(std::string_view, const char*)> log("log");
    std::string first = "first";
    std::string second = "second";
    co_await log(first, second.c_str());
    first = "changed";
    second = "changed";
    log.assert_awaited_with("first", "second");
}

CO_TEST_CASE("a log knows the order of awaits across mocks", "[mock]") {
    coroutine_mock<int(std::string)> fetch("fetch");
    coroutine_mock<void(int)> store("store");
    mock_log log;
    log.watch(fetch, store);
    fetch.returns_in_turn(1, 2);
    co_await store(co_await fetch("a"));
    co_await store(co_await fetch("b"));
    CO_CHECK(log.entries()
             == std::vector<std::string>{"fetch(\"a\")", "store(1)", "fetch(\"b\")", "store(2)"});
    log.assert_order({"fetch", "store", "fetch", "store"});
    log.assert_order({"fetch(\"a\")", "store(2)"});
    CO_CHECK_THROWS_AS(log.assert_order({"store", "store(1)"}), assertion_error);
    CO_CHECK_THROWS_AS(log.assert_order({"fetch(\"b\")", "store(1)"}), assertion_error);
}

CO_TEST_CASE("a mock that is reset forgets what came, not what to say", "[mock]") {
    coroutine_mock<int(std::string)> fetch("fetch");
    fetch.returns(4);
    static_cast<void>(co_await fetch("a"));
    fetch.reset();
    fetch.assert_not_awaited();
    CO_CHECK(fetch.call_count() == 0);
    CO_CHECK(co_await fetch("b") == 4);
}

TEST_CASE("a mock works on any loop", "[mock]") {
    coroutine_mock<int(std::string)> fetch("fetch");
    fetch.returns(4);
    CHECK(coroscope::run(fetch("a")) == 4);
    fetch.assert_awaited_once_with("a");
}
