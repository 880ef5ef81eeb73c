// SPDX-License-Identifier: Apache-2.0
// Coroutine tests with doctest.
#include <coroscope/runtime/queue.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/testkit/test_run.hpp>

#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <string>

using namespace std::chrono_literals;
using coroscope::coro;
using coroscope::testkit::run_test;
using coroscope::testkit::this_test;

namespace {

coro<> produce(coroscope::queue<std::string>& to) {
    for (const char* item : {"a", "b", "c"}) {
        co_await coroscope::sleep_for(1h);
        to.put_nowait(item);
    }
}

}  // namespace

TEST_CASE("a consumer gets an item an hour") {
    const auto result = run_test([]() -> coro<> {
        coroscope::queue<std::string> items;
        auto producer = this_test().loop().create_task(produce(items));
        std::string all;
        for (int i = 0; i < 3; ++i) {
            all += co_await items.get();
        }
        CHECK(all == "abc");
        CHECK(this_test().clock().elapsed() == 3h);
        co_await producer;
    });
    INFO(to_string(result));
    REQUIRE(result.ok());
}

TEST_CASE("a task that is left behind is a failure") {
    const auto result = run_test([]() -> coro<> {
        coroscope::queue<std::string> items;
        this_test().loop().create_task(produce(items), "producer");
        const auto first = co_await items.get();
        CHECK(first == "a");
    });
    REQUIRE(result.failures.size() == 1);
    CHECK(result.failures[0].kind == coroscope::testkit::failure_kind::leaked_task);
}
