// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/generator_adapters.hpp>

#include <coroscope/runtime/sleep.hpp>

#include "runtime/virtual_loop.hpp"
#include "support/catch.hpp"

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using coroscope::async_generator;
using coroscope::coro;
using coroscope::sleep_for;
using namespace std::chrono_literals;

namespace {

async_generator<int> count(std::vector<std::string>& said) {
    std::exception_ptr why;
    try {
        for (int i = 1;; ++i) {
            said.push_back("make " + std::to_string(i));
            co_yield i;
        }
    } catch (...) { why = std::current_exception(); }
    co_await sleep_for(1s);
    said.emplace_back("closed");
    std::rethrow_exception(why);
}

bool is_even(int i) {
    return i % 2 == 0;
}

}  // namespace

TEST_CASE("adapters ask for no more than they need, and close their source", "[generator]") {
    virtual_loop v;
    std::vector<std::string> said;
    auto twice = [](int i) {
        return std::to_string(2 * i);
    };
    auto text =
        v.loop.run_until_complete(collect(take(transform(filter(count(said), is_even), twice), 2)));
    CHECK(text == std::vector<std::string>{"4", "8"});
    CHECK(said == std::vector<std::string>{"make 1", "make 2", "make 3", "make 4", "closed"});
    CHECK(v.clock.elapsed() == 1s);
}

TEST_CASE("adapters await functions that are coroutine functions", "[generator]") {
    virtual_loop v;
    std::vector<std::string> said;
    auto slow_even = [](int i) -> coro<bool> {
        co_await sleep_for(1s);
        co_return is_even(i);
    };
    auto slow_negative = [](int i) -> coro<int> {
        co_await sleep_for(10s);
        co_return -i;
    };
    auto all = v.loop.run_until_complete(
        collect(take(transform(filter(count(said), slow_even), slow_negative), 2)));
    CHECK(all == std::vector{-2, -4});
    CHECK(v.clock.elapsed() == 4s + 20s + 1s);
}

TEST_CASE("an exception passes through adapters and closes their source", "[generator]") {
    virtual_loop v;
    std::vector<std::string> said;
    auto fails = [](int i) {
        if (i == 2) { throw std::runtime_error("two"); }
        return i;
    };
    CHECK_THROWS_WITH(v.loop.run_until_complete(collect(transform(count(said), fails))), "two");
    CHECK(said == std::vector<std::string>{"make 1", "make 2", "closed"});
}

TEST_CASE("closing an adapter half-way closes its source", "[generator]") {
    virtual_loop v;
    std::vector<std::string> said;
    auto body = [](async_generator<int> source) -> coro<> {
        co_await source.next();
        co_await source.aclose();
    };
    v.loop.run_until_complete(body(filter(count(said), is_even)));
    CHECK(said == std::vector<std::string>{"make 1", "make 2", "closed"});
}

TEST_CASE("shutting generators down closes a source and its adapter once each", "[generator]") {
    virtual_loop v;
    std::vector<std::string> said;
    auto kept = filter(count(said), is_even);
    auto use = [](async_generator<int>& source) -> coro<> {
        co_await source.next();
    };
    v.loop.run_until_complete(use(kept));
    v.loop.run_until_complete(v.loop.shutdown_generators());
    CHECK(said == std::vector<std::string>{"make 1", "make 2", "closed"});
    CHECK(kept.finished());
    CHECK(v.reported.empty());
}

TEST_CASE("take of nothing closes its source without asking it", "[generator]") {
    virtual_loop v;
    std::vector<std::string> said;
    CHECK(v.loop.run_until_complete(collect(take(count(said), 0))).empty());
    CHECK(said.empty());
}
