// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/outcome.hpp>

#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using coroscope::coro;
using coroscope::gather_outcomes;
using coroscope::outcome;
using coroscope::sleep_for;
using namespace std::chrono_literals;

namespace {

coro<int> number_after(coroscope::duration delay, int value) {
    co_await sleep_for(delay);
    co_return value;
}

coro<> fail_after(coroscope::duration delay) {
    co_await sleep_for(delay);
    throw std::runtime_error("failed");
}

std::string text_of(const std::exception_ptr& thrown) {
    return thrown == nullptr ? "" : coroscope::describe(thrown);
}

}  // namespace

TEST_CASE("an outcome is a result or what was thrown instead", "[outcome]") {
    const outcome<int> good(3);
    CHECK(good.has_value());
    CHECK(good.value() == 3);
    CHECK(good.exception() == nullptr);
    const outcome<int> bad(std::make_exception_ptr(std::runtime_error("no")));
    CHECK_FALSE(bad.has_value());
    CHECK_THROWS_WITH(bad.value(), "no");
    auto movable = outcome<std::unique_ptr<int>>(std::make_unique<int>(1));
    CHECK(*std::move(movable).value() == 1);
}

TEST_CASE("recipe: gather that ignores exceptions waits for all, in order", "[outcome]") {
    virtual_loop v;
    auto body = []() -> coro<std::string> {
        auto all = gather_outcomes(number_after(5s, 1), fail_after(1s), number_after(3s, 2));
        const auto results = co_await all;
        const auto& [first, second, third] = results;
        co_return std::to_string(first.value()) + " " + text_of(second.exception()) + " "
            + std::to_string(third.value());
    };
    CHECK(v.loop.run_until_complete(body()) == "1 failed 2");
    CHECK(v.clock.elapsed() == 5s);
    CHECK(v.reported.empty());
}

TEST_CASE("a child that is cancelled by itself has that as its outcome", "[outcome]") {
    virtual_loop v;
    auto body = [](coroscope::loop& l) -> coro<std::string> {
        auto child = l.create_task(number_after(1h, 1));
        l.call_later(1s, [child]() mutable { child.cancel("not you"); });
        std::vector<coroscope::task<int>> children{child, l.create_task(number_after(2s, 2))};
        const auto all = co_await gather_outcomes(std::move(children));
        co_return text_of(all[0].exception()) + " " + std::to_string(all[1].value());
    };
    CHECK(v.loop.run_until_complete(body(v.loop)) == "not you 2");
    CHECK(v.clock.elapsed() == 2s);
}

TEST_CASE("cancelling a gather of outcomes cancels its children and itself", "[outcome]") {
    virtual_loop v;
    int ended = 0;
    auto child = [](int& count) -> coro<> {
        try {
            co_await sleep_for(1h);
        } catch (const coroscope::cancelled_error&) {
            ++count;
            throw;
        }
    };
    auto body = [](coro<> a, coro<> b) -> coro<> {
        co_await gather_outcomes(std::move(a), std::move(b));
    };
    auto t = v.loop.create_task(body(child(ended), child(ended)));
    v.loop.call_later(1s, [t]() mutable { t.cancel("enough"); });
    CHECK_THROWS_AS(v.loop.run_until_complete(t), coroscope::cancelled_error);
    CHECK(ended == 2);
    CHECK(v.clock.elapsed() == 1s);
}
