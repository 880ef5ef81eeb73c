// SPDX-License-Identifier: Apache-2.0
#include <coroscope/testkit/assertion_error.hpp>

#include "support/catch.hpp"
#include "testkit/failure_text.hpp"

using coroscope::coro;
using coroscope::testkit::assertion_error;
using coroscope::testkit::failure_kind;
using coroscope::testkit::run_test;
using coroscope::testkit::detail::fail_test;

TEST_CASE("code under test cannot swallow a failed assertion", "[assertion_error]") {
    const auto body = []() -> coro<> {
        try {
            std::rethrow_exception(fail_test("wrong", coroscope::await_site::current()));
        } catch (const assertion_error&) {}  // NOLINT(bugprone-empty-catch)
        co_return;
    };
    const auto result = run_test(body);
    REQUIRE(result.failures.size() == 1);
    CHECK(result.failures[0].kind == failure_kind::mock);
    CHECK(result.failures[0].message == "wrong");
    CHECK(result.failures[0].where.line() == __LINE__ - 8);
}

TEST_CASE("an assertion that is thrown out of the test fails it once", "[assertion_error]") {
    const auto body = []() -> coro<> {
        std::rethrow_exception(fail_test("wrong", {}));
        co_return;
    };
    CHECK(run_test(body).failures.size() == 1);
}

TEST_CASE("outside of a test, a failed assertion fails the next one", "[assertion_error]") {
    const auto empty = []() -> coro<> {
        co_return;
    };
    CHECK(run_test(empty).ok());
    fail_test("wrong", {});
    CHECK_THAT(failure_text::of(empty),
               Catch::Contains("outside of a test") && Catch::Contains("wrong"));
    CHECK(run_test(empty).ok());
}
