// SPDX-License-Identifier: Apache-2.0
// Memory that a test leaves behind, in a program whose allocations are hooked.
#include <coroscope/testkit/catch.hpp>
#include <coroscope/testkit/explore.hpp>

#include "support/catch.hpp"

#include <coroscope/instrumentation/memory_hooks.hpp>
#include <coroscope/runtime/sleep.hpp>
#include <coroscope/runtime/task.hpp>

#include <array>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using coroscope::coro;
using coroscope::testkit::failure_kind;
using coroscope::testkit::run_test;
using coroscope::testkit::test_options;

namespace {

[[nodiscard]] test_options checking_the_heap() {
    coroscope::instrumentation::hook_memory();
    test_options options;
    options.check_heap = true;
    return options;
}

struct record {
    std::array<char, 1000> bytes{};
};

}  // namespace

TEST_CASE("memory that a task of the test leaves behind fails a test that says so", "[run_test]") {
    std::vector<std::unique_ptr<record>> cache;
    cache.reserve(10);
    const auto body = [](auto& to) -> coro<> {
        for (int i = 0; i < 3; ++i) {
            co_await coroscope::sleep_for(1s);
            to.push_back(std::make_unique<record>());
        }
    };
    const auto result = run_test([&] { return body(cache); }, checking_the_heap());
    INFO(to_string(result));
#if COROSCOPE_TEST_NATIVE_STACKS
    REQUIRE(result.failures.size() == 1);
    CHECK(result.failures[0].kind == failure_kind::leaked_memory);
    CHECK(
        result.failures[0].message.starts_with("memory that a task of the test allocated is "
                                               "still there: 3 blocks (3000 bytes) allocated "
                                               "at "));
    CHECK(result.failures[0].message.find("live_heap_test.cpp:") != std::string::npos);
#endif
    cache.clear();
}

TEST_CASE("memory that is freed, and what the kit and Catch2 allocate, is no leak", "[run_test]") {
    const auto body = []() -> coro<> {
        std::vector<std::string> words;
        const auto child = [](std::vector<std::string>& to) -> coro<> {
            co_await coroscope::sleep_for(1h);
            to.emplace_back(100, 'x');
        };
        co_await child(words);
        CO_CHECK(words.size() == 1);
    };
    coroscope::testkit::run_catch_test(body, checking_the_heap());
}

TEST_CASE("memory of the library's own is no leak", "[run_test]") {
    std::optional<coroscope::task<>> kept;  // and with it its name
    const auto body = [](std::optional<coroscope::task<>>& to) -> coro<> {
        const auto child = []() -> coro<> {
            co_await coroscope::sleep_for(1h);
        };
        to = coroscope::testkit::this_test().loop().create_task(
            child(), "a name that is too long for the task's record, and for a short string");
        co_await *to;
    };
    const auto result = run_test([&] { return body(kept); }, checking_the_heap());
    INFO(to_string(result));
    CHECK(result.ok());
}

TEST_CASE("memory that was there before the test, or belongs to no task, is no leak",
          "[run_test]") {
    std::vector<std::string> kept{std::string(1000, 'a')};
    kept.reserve(10);
    const auto body = [](std::vector<std::string>& to) -> coro<> {
        const auto add = [&to] {
            to.push_back(std::string(1000, 'b'));
        };
        coroscope::testkit::this_test().loop().call_soon(add);
        co_await coroscope::yield_now();
    };
    const auto result = run_test([&] { return body(kept); }, checking_the_heap());
    INFO(to_string(result));
    CHECK(result.ok());
    CHECK(kept.size() == 2);
}

TEST_CASE("each execution of an exploration is asked about memory", "[explore]") {
    std::unique_ptr<record> left;
    coroscope::testkit::explore_options options;
    options.test = checking_the_heap();
    options.strategy = coroscope::testkit::strategy::random_walk;
    options.max_executions = 5;
    options.checked_executions = 0;
    int executions = 0;
    const auto body = [](std::unique_ptr<record>& to, int& count) -> coro<> {
        co_await coroscope::yield_now();
        if (++count == 3) { to = std::make_unique<record>(); }
    };
    const auto found = coroscope::testkit::explore([&] { return body(left, executions); }, options);
    INFO(to_string(found));
#if COROSCOPE_TEST_NATIVE_STACKS
    REQUIRE_FALSE(found.ok());
    CHECK(found.failure->number == 3);
    CHECK(found.failure->result.failures.front().kind == failure_kind::leaked_memory);
#endif
    options.workers = 2;
    CHECK_THROWS_AS(coroscope::testkit::explore([&] { return body(left, executions); }, options),
                    std::invalid_argument);
}
