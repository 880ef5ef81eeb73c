// SPDX-License-Identifier: Apache-2.0
#include <coroscope/testkit/checkpoints.hpp>

#include <coroscope/testkit/test_run.hpp>

#include "support/catch.hpp"

#include <coroscope/runtime/event.hpp>
#include <coroscope/runtime/sleep.hpp>

#include <stdexcept>
#include <string>

using namespace std::chrono_literals;
using coroscope::coro;
using coroscope::testkit::assert_checkpoints;
using coroscope::testkit::assert_no_checkpoints;
using coroscope::testkit::failure_kind;
using coroscope::testkit::run_test;
using coroscope::testkit::test_result;

namespace {

coro<> return_at_once() {
    co_return;
}

void check_only_failure(const test_result& result, const std::string& begins) {
    INFO(to_string(result));
    REQUIRE(result.failures.size() == 1);
    CHECK(result.failures[0].kind == failure_kind::scheduling);
    CHECK(result.failures[0].message.starts_with(begins));
    CHECK(std::string(result.failures[0].where.file_name()).ends_with("checkpoints_test.cpp"));
}

}  // namespace

TEST_CASE("assert_checkpoints holds where the task is suspended once", "[scheduling]") {
    const auto body = []() -> coro<> {
        const assert_checkpoints here;
        co_await return_at_once();
        co_await coroscope::yield_now();
    };
    const auto result = run_test(body);
    INFO(to_string(result));
    CHECK(result.ok());
}

TEST_CASE("assert_checkpoints fails where nothing suspends", "[scheduling]") {
    const auto body = []() -> coro<> {
        coroscope::event open;
        open.set();
        co_await coroscope::sleep_for(1s);
        {
            const assert_checkpoints here;
            co_await return_at_once();
            co_await open.wait();
        }
        co_await coroscope::sleep_for(1s);
    };
    check_only_failure(run_test(body), "assert_checkpoints: the task was never suspended between ");
}

TEST_CASE("assert_checkpoints asks nothing of a scope that an exception leaves", "[scheduling]") {
    const auto body = []() -> coro<> {
        try {
            const assert_checkpoints here;
            throw std::runtime_error("left");
        } catch (const std::runtime_error&) {  // NOLINT(bugprone-empty-catch): as expected
        }
        co_return;
    };
    CHECK(run_test(body).ok());
}

TEST_CASE("assert_no_checkpoints holds where nothing suspends", "[scheduling]") {
    const auto body = []() -> coro<> {
        coroscope::event open;
        open.set();
        co_await coroscope::sleep_for(1s);
        const assert_no_checkpoints here;
        co_await return_at_once();
        co_await open.wait();
    };
    CHECK(run_test(body).ok());
}

TEST_CASE("assert_no_checkpoints fails where the task is suspended", "[scheduling]") {
    const auto body = []() -> coro<> {
        const assert_no_checkpoints here;
        co_await coroscope::yield_now();
    };
    check_only_failure(run_test(body),
                       "assert_no_checkpoints: the task was suspended, and others ran, between ");
    const auto leaving = []() -> coro<> {
        try {
            const assert_no_checkpoints here;
            co_await coroscope::yield_now();
            throw std::runtime_error("left");
        } catch (const std::runtime_error&) {  // NOLINT(bugprone-empty-catch): as expected
        }
    };
    check_only_failure(run_test(leaving), "assert_no_checkpoints: ");
}

TEST_CASE("checkpoints are asserted in tasks of tests only", "[scheduling]") {
    CHECK_THROWS_AS(assert_checkpoints(), std::logic_error);
    CHECK_THROWS_AS(assert_no_checkpoints(), std::logic_error);
}

TEST_CASE("a task that ends inside of such a scope at the test's end says nothing",
          "[scheduling]") {
    const auto body = []() -> coro<> {
        const auto waiting = []() -> coro<> {
            const assert_checkpoints here;
            co_await coroscope::sleep_for(1h);
        };
        coroscope::testkit::background(waiting());
        co_await coroscope::yield_now();
    };
    CHECK(run_test(body).ok());
}
