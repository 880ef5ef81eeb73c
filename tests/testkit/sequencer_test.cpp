// SPDX-License-Identifier: Apache-2.0
#include <coroscope/testkit/sequencer.hpp>

#include <coroscope/testkit/test_run.hpp>

#include "support/catch.hpp"

#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/runtime/wait.hpp>

#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using coroscope::coro;
using coroscope::testkit::failure_kind;
using coroscope::testkit::run_test;
using coroscope::testkit::sequencer;
using coroscope::testkit::this_test;

namespace {

struct sequenced {
    sequencer order;
    std::string log;
};

coro<> take(sequenced& in, std::vector<std::size_t> turns) {
    for (const auto number : turns) {
        const auto turn = co_await in.order.turn(number);
        in.log += std::to_string(number);
        co_await coroscope::sleep_for(1s);
    }
}

coro<> take_one(sequenced& in, std::size_t number) {
    const auto turn = co_await in.order.turn(number);
}

}  // namespace

TEST_CASE("a sequencer forces its order upon tasks", "[scheduling]") {
    sequenced in;
    const auto body = [](sequenced& s) -> coro<> {
        auto a = this_test().loop().create_task(take(s, {2, 4}));
        auto b = this_test().loop().create_task(take(s, {1, 5}));
        auto c = this_test().loop().create_task(take(s, {0, 3}));
        co_await coroscope::gather(a, b, c);
    };
    const auto result = run_test([&] { return body(in); });
    INFO(to_string(result));
    CHECK(result.ok());
    CHECK(in.log == "012345");
    CHECK(result.virtual_elapsed == 6s);
}

TEST_CASE("a turn that nobody takes is a deadlock of those that wait", "[scheduling]") {
    sequenced in;
    const auto result = run_test([&] { return take_one(in, 1); });
    REQUIRE(result.failures.size() == 1);
    CHECK(result.failures[0].kind == failure_kind::deadlock);
}

TEST_CASE("a turn is for one task, once", "[scheduling]") {
    sequenced in;
    const auto body = [](sequenced& s) -> coro<> {
        co_await take_one(s, 0);
        CHECK(s.log.empty());
        std::string what;
        try {
            co_await take_one(s, 0);
        } catch (const std::logic_error& e) { what = e.what(); }
        CHECK(what == "turn 0 of a sequencer was taken before; each is for one task, once");
        auto waits = this_test().loop().create_task(take_one(s, 2));
        co_await coroscope::yield_now();
        what.clear();
        try {
            co_await take_one(s, 2);
        } catch (const std::logic_error& e) { what = e.what(); }
        CHECK(what.starts_with("turn 2 of a sequencer was taken before"));
        co_await take_one(s, 1);
        co_await waits;
    };
    const auto result = run_test([&] { return body(in); });
    INFO(to_string(result));
    CHECK(result.ok());
}

TEST_CASE("a cancelled wait for a turn breaks the order for all", "[scheduling]") {
    sequenced in;
    const auto body = [](sequenced& s) -> coro<> {
        auto one = this_test().loop().create_task(take_one(s, 1));
        auto two = this_test().loop().create_task(take_one(s, 2));
        co_await coroscope::yield_now();
        one.cancel();
        co_await coroscope::wait(one, two);
        CHECK(one.cancelled());
        CHECK_THROWS_AS(two.result(), coroscope::invalid_state_error);
        bool is_broken = false;
        try {
            co_await take_one(s, 0);
        } catch (const coroscope::invalid_state_error&) { is_broken = true; }
        CHECK(is_broken);
    };
    const auto result = run_test([&] { return body(in); });
    INFO(to_string(result));
    CHECK(result.ok());
}
