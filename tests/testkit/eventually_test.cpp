// SPDX-License-Identifier: Apache-2.0
#include <coroscope/testkit/eventually.hpp>

#include "support/catch.hpp"

#include <coroscope/runtime/sleep.hpp>

#include <sstream>
#include <string>

using namespace std::chrono_literals;
using coroscope::coro;
using coroscope::duration;
using coroscope::testkit::always;
using coroscope::testkit::eventually;
using coroscope::testkit::run_test;
using coroscope::testkit::this_test;
using coroscope::testkit::timed_verdict;

namespace {

[[nodiscard]] std::string text_of(const timed_verdict& v) {
    std::ostringstream out;
    out << v;
    return out.str();
}

/// Counts up every second.
coro<> count(int& to) {
    for (;;) {
        co_await coroscope::sleep_for(1s);
        ++to;
    }
}

void check(const coroscope::testkit::test_result& result) {
    INFO(to_string(result));
    CHECK(result.ok());
}

}  // namespace

TEST_CASE("eventually is true as soon as its predicate is", "[scheduling]") {
    int n = 0;
    const auto body = [](int& counted) -> coro<> {
        coroscope::testkit::background(count(counted));
        const auto is_three = [&counted] {
            return counted == 3;
        };
        const auto found = co_await eventually(is_three, 10s);
        CHECK(found);
        CHECK(found.after() == 3s);
        CHECK(text_of(found) == "came true, after 3 s");
        CHECK(this_test().clock().elapsed() == 3s);
        const auto at_once = co_await eventually(is_three, 10s);
        CHECK(at_once.after() == 0s);
    };
    check(run_test([&] { return body(n); }));
}

TEST_CASE("eventually includes the last instant, and then gives up", "[scheduling]") {
    int n = 0;
    const auto body = [](int& counted) -> coro<> {
        coroscope::testkit::background(count(counted));
        const auto is_five = [&counted] {
            return counted == 5;
        };
        auto found = co_await eventually(is_five, 4s);
        CHECK_FALSE(found);
        CHECK(text_of(found) == "never came true after 4 s");
        CHECK(this_test().clock().elapsed() == 4s);
        found = co_await eventually(is_five, 1s);
        CHECK(found);
    };
    check(run_test([&] { return body(n); }));
}

TEST_CASE("eventually gives up at once where nothing can happen, in virtual time", "[scheduling]") {
    const auto body = []() -> coro<> {
        const auto never = [] {
            return false;
        };
        const auto found = co_await eventually(never, 24h);
        CHECK_FALSE(found);
        CHECK(this_test().clock().elapsed() == 24h);
    };
    check(run_test(body));
}

TEST_CASE("always holds until its end, or says when it ceased to", "[scheduling]") {
    int n = 0;
    const auto body = [](int& counted) -> coro<> {
        coroscope::testkit::background(count(counted));
        const auto is_small = [&counted] {
            return counted < 5;
        };
        const auto held = co_await always(is_small, 4s);
        CHECK(held);
        CHECK(text_of(held) == "held, after 4 s");
        const auto broken = co_await always(is_small, 10s);
        CHECK_FALSE(broken);
        CHECK(text_of(broken) == "ceased to hold after 1 s");
        CHECK(this_test().clock().elapsed() == 5s);
    };
    check(run_test([&] { return body(n); }));
}

TEST_CASE("a predicate may be a coroutine", "[scheduling]") {
    int n = 0;
    const auto body = [](int& counted) -> coro<> {
        coroscope::testkit::background(count(counted));
        const auto is_three = [&counted]() {
            const auto answer = [](int& of) -> coro<bool> {
                co_await coroscope::yield_now();
                co_return of == 3;
            };
            return answer(counted);
        };
        const auto found = co_await eventually(is_three, 10s);
        CHECK(found.after() == 3s);
    };
    check(run_test([&] { return body(n); }));
}
