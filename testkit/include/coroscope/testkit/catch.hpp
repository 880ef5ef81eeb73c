// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/testkit/detail/catch_assertion.hpp>
#include <coroscope/testkit/test_run.hpp>

#include <functional>
#include <string>
#include <utility>

// Coroutine tests for Catch2, 2.13 or 3, whichever is installed:
//
//     CO_TEST_CASE("a reply comes within its deadline", "[client]") {
//         auto reply = co_await wait_for(ask("name"), 5s);
//         CO_REQUIRE(reply == "coroscope");
//         CO_CHECK(co_await ask("size") == 3);
//     }
//
// The body is a coroutine on a loop of its own with a fake clock; see test_run.hpp for how it ends.
// A SECTION and a generator work as ever: the body runs again, each time with a fresh loop, clock
// and seed. Two tasks must not be inside SECTIONs at the same time, and what INFO and CAPTURE say
// is shown with whatever assertion comes while they live, of this task or another.
//
// Use CO_REQUIRE and its kin for every expression with a `co_await`; Catch2's own macros evaluate
// such an expression more than once, or not at all. They work in every task of the test, and in
// plain functions, too. In other threads, failures are collected and reported at the test's end; a
// CO_REQUIRE that fails there throws, which ends the process if it leaves a `std::thread`, but is a
// good way to end a `run_in_executor` job.

namespace coroscope::testkit {

/// What `CO_TEST_CASE` does with its body, for test cases that need options:
///
///     TEST_CASE("no sockets here") {
///         coroscope::testkit::test_options options;
///         options.io_policy = coroscope::testkit::io_policy::forbid();
///         coroscope::testkit::run_catch_test(body, options);
///     }
template <class F>
    requires std::is_invocable_v<F&>
void run_catch_test(F&& f, test_options options = {}, await_site where = await_site::current()) {
    options.is_reported = [](const std::exception_ptr& exception) {
        return detail::ends_a_catch_test(*exception.__cxa_exception_type());
    };
    const detail::foreign_failures::scope scope;
    auto result = run_test(f, options, where);
    for (auto& text : detail::foreign_failures::instance().take()) {
        result.failures.push_back({failure_kind::exception, std::move(text), nullptr, {}});
    }
    detail::report_to_catch(result, options, where);
}

namespace detail {

template <class F>
void run_named_catch_test(F&& f, std::string name, await_site where = await_site::current()) {
    test_options options;
    options.name = std::move(name);
    run_catch_test(f, std::move(options), where);
}

}  // namespace detail
}  // namespace coroscope::testkit

/// A test case whose body is a coroutine: `CO_TEST_CASE("name", "[tags]") { ... }`.
#define CO_TEST_CASE(...) \
    COROSCOPE_CO_TEST_CASE(INTERNAL_CATCH_UNIQUE_NAME(coroscope_test_body_), __VA_ARGS__)

/// The same, as a member of a class derived from `fixture`, which is constructed and destroyed in
/// the test's task: `this_test()` works there, and so do its coroutines `set_up` and `tear_down`;
/// see `with_fixture`. Each way through SECTIONs and generators has a fixture of its own.
/// `CO_TEST_CASE_METHOD(fixture, "name", "[tags]")`.
#define CO_TEST_CASE_METHOD(fixture, ...)                                                       \
    COROSCOPE_CO_TEST_CASE_METHOD(INTERNAL_CATCH_UNIQUE_NAME(coroscope_test_fixture_), fixture, \
                                  __VA_ARGS__)

/// A test case for each of several types, `TestType` in its body:
/// `CO_TEMPLATE_TEST_CASE("name", "[tags]", int, std::string) { ... }`.
#define CO_TEMPLATE_TEST_CASE(name, tags, ...)                                                    \
    COROSCOPE_CO_TEMPLATE_TEST_CASE(INTERNAL_CATCH_UNIQUE_NAME(coroscope_test_body_), name, tags, \
                                    __VA_ARGS__)
/// The same with a fixture, a class template of `TestType`; its members are `this->name` there.
#define CO_TEMPLATE_TEST_CASE_METHOD(fixture, name, tags, ...)                                  \
    COROSCOPE_CO_TEMPLATE_TEST_CASE_METHOD(INTERNAL_CATCH_UNIQUE_NAME(coroscope_test_fixture_), \
                                           fixture, name, tags, __VA_ARGS__)

/// Must hold; otherwise the task ends here, with an exception, and the test fails.
#define CO_REQUIRE(...) \
    COROSCOPE_CO_ASSERT("CO_REQUIRE", Catch::ResultDisposition::Normal, __VA_ARGS__)
/// Must not hold.
#define CO_REQUIRE_FALSE(...)                                                                   \
    COROSCOPE_CO_ASSERT("CO_REQUIRE_FALSE",                                                     \
                        Catch::ResultDisposition::Normal | Catch::ResultDisposition::FalseTest, \
                        __VA_ARGS__)
/// Must hold; the test fails otherwise, but goes on.
#define CO_CHECK(...) \
    COROSCOPE_CO_ASSERT("CO_CHECK", Catch::ResultDisposition::ContinueOnFailure, __VA_ARGS__)
/// Must not hold; the test fails otherwise, but goes on.
#define CO_CHECK_FALSE(...)                                                                \
    COROSCOPE_CO_ASSERT(                                                                   \
        "CO_CHECK_FALSE",                                                                  \
        Catch::ResultDisposition::ContinueOnFailure | Catch::ResultDisposition::FalseTest, \
        __VA_ARGS__)
/// Evaluating the expression must throw this type, or one derived from it.
#define CO_REQUIRE_THROWS_AS(expression, type) \
    COROSCOPE_CO_THROWS("CO_REQUIRE_THROWS_AS", Catch::ResultDisposition::Normal, expression, type)
/// The same; the test goes on if it does not.
#define CO_CHECK_THROWS_AS(expression, type)                                               \
    COROSCOPE_CO_THROWS("CO_CHECK_THROWS_AS", Catch::ResultDisposition::ContinueOnFailure, \
                        expression, type)
/// Fails, with a message: `CO_FAIL("got " << n)`.
#define CO_FAIL(...)                                                                     \
    do {                                                                                 \
        const ::coroscope::testkit::detail::assertion_site coroscope_site(               \
            "CO_FAIL", "", __FILE__, __LINE__, Catch::ResultDisposition::Normal);        \
        ::coroscope::testkit::detail::message_text coroscope_text;                       \
        coroscope_text << __VA_ARGS__;                                                   \
        ::coroscope::testkit::detail::fail_with_message(coroscope_site, coroscope_text); \
    } while (false)

// --- How they are made

#define COROSCOPE_CO_TEST_CASE(body, ...)                                \
    static ::coroscope::coro<> body();                                   \
    COROSCOPE_CATCH_TEST_CASE(__VA_ARGS__) {                             \
        ::coroscope::testkit::detail::run_named_catch_test(              \
            body, ::coroscope::testkit::detail::test_name(__VA_ARGS__)); \
    }                                                                    \
    static ::coroscope::coro<> body()

#define COROSCOPE_CO_TEST_CASE_METHOD(type, fixture, ...)          \
    namespace {                                                    \
    struct type : fixture {                                        \
        friend class ::coroscope::testkit::detail::fixture_access; \
        ::coroscope::coro<> coroscope_test_body();                 \
    };                                                             \
    }                                                              \
    COROSCOPE_CATCH_TEST_CASE(__VA_ARGS__) {                       \
        ::coroscope::testkit::detail::run_named_catch_test(        \
            ::coroscope::testkit::detail::run_fixture<type>,       \
            ::coroscope::testkit::detail::test_name(__VA_ARGS__)); \
    }                                                              \
    ::coroscope::coro<> type::coroscope_test_body()

#define COROSCOPE_CO_TEMPLATE_TEST_CASE(body, name, tags, ...)                    \
    template <class TestType>                                                     \
    static ::coroscope::coro<> body();                                            \
    COROSCOPE_CATCH_TEMPLATE_TEST_CASE(name, tags, __VA_ARGS__) {                 \
        ::coroscope::testkit::detail::run_named_catch_test(body<TestType>, name); \
    }                                                                             \
    template <class TestType>                                                     \
    static ::coroscope::coro<> body()

#define COROSCOPE_CO_TEMPLATE_TEST_CASE_METHOD(type, fixture, name, tags, ...) \
    namespace {                                                                \
    template <class TestType>                                                  \
    struct type : fixture<TestType> {                                          \
        friend class ::coroscope::testkit::detail::fixture_access;             \
        ::coroscope::coro<> coroscope_test_body();                             \
    };                                                                         \
    }                                                                          \
    COROSCOPE_CATCH_TEMPLATE_TEST_CASE(name, tags, __VA_ARGS__) {              \
        ::coroscope::testkit::detail::run_named_catch_test(                    \
            ::coroscope::testkit::detail::run_fixture<type<TestType>>, name);  \
    }                                                                          \
    template <class TestType>                                                  \
    ::coroscope::coro<> type<TestType>::coroscope_test_body()

#define COROSCOPE_CO_ASSERT(macro, disposition, ...)                                   \
    do {                                                                               \
        const ::coroscope::testkit::detail::assertion_site coroscope_site(             \
            macro, #__VA_ARGS__, __FILE__, __LINE__, disposition);                     \
        try {                                                                          \
            CATCH_INTERNAL_START_WARNINGS_SUPPRESSION                                  \
            COROSCOPE_SUPPRESS_PARENTHESES_WARNINGS                                    \
            ::coroscope::testkit::detail::check(                                       \
                coroscope_site,                                                        \
                ::coroscope::testkit::detail::the_decomposer.get() <= __VA_ARGS__);    \
            CATCH_INTERNAL_STOP_WARNINGS_SUPPRESSION                                   \
        } catch (...) {                                                                \
            ::coroscope::testkit::detail::fail_with_current_exception(coroscope_site); \
        }                                                                              \
    } while (false)

#define COROSCOPE_CO_THROWS(macro, disposition, expression, type)                   \
    do {                                                                            \
        const ::coroscope::testkit::detail::assertion_site coroscope_site(          \
            macro, #expression ", " #type, __FILE__, __LINE__, disposition);        \
        ::coroscope::testkit::detail::throws_check coroscope_check(coroscope_site); \
        try {                                                                       \
            CATCH_INTERNAL_START_WARNINGS_SUPPRESSION                               \
            COROSCOPE_SUPPRESS_USELESS_CAST_WARNINGS                                \
            static_cast<void>(expression);                                          \
            CATCH_INTERNAL_STOP_WARNINGS_SUPPRESSION                                \
        } catch (const type&) { coroscope_check.note_expected(); } catch (...) {    \
            coroscope_check.note_other();                                           \
        }                                                                           \
        coroscope_check.report();                                                   \
    } while (false)
