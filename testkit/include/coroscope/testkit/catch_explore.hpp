// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/testkit/catch.hpp>
#include <coroscope/testkit/explore.hpp>

#include <string>
#include <utility>

// Explored tests for Catch2:
//
//     CO_EXPLORE_TEST_CASE("a seat is sold once", "[theatre]") {
//         theatre t;
//         co_await gather(book(t), book(t));
//         CO_REQUIRE(t.tickets <= 1);
//     }
//
// The body is run again and again, see explore.hpp. While that goes on, Catch2 hears of nothing;
// the simplest execution that fails is then run once more, with its assertions reported as ever.
// SECTIONs and generators do not go together with that: use gather, or several test cases.

namespace coroscope::testkit {
namespace detail {

inline void report_outcome(Catch::ResultWas::OfType kind, const std::string& text,
                           const std::string& name, await_site where) {
    const assertion_site site("CO_EXPLORE_TEST_CASE", name.c_str(), where.file_name(), where.line(),
                              Catch::ResultDisposition::ContinueOnFailure);
    auto handler = site.handler();
    report_message(handler, kind, text);
    handler.complete();
}

/// Runs one schedule and reports what happens in it. `about` is shown with every failure.
template <class F>
void replay_in_catch(F& f, const std::string& schedule, const std::string& about,
                     explore_options options, await_site where) {
    INTERNAL_CATCH_INFO("INFO", about);
    options.test.is_reported = [](const std::exception_ptr& exception) {
        return ends_a_catch_test(*exception.__cxa_exception_type());
    };
    auto result = replay(f, schedule, options, where);
    for (auto& text : foreign_failures::instance().take()) {
        result.failures.push_back({failure_kind::exception, std::move(text), nullptr, {}});
    }
    report_to_catch(result, options.test, where);
}

template <class F>
void report_exploration(F& f, const exploration_failure& failure, const explore_options& options,
                        await_site where) {
    const auto& first = failure.shrunk_result.failures;
    const auto kind = first.empty() ? failure_kind::assertion : first.front().kind;
    if (kind == failure_kind::nondeterminism || kind == failure_kind::between_tests) {
        report_outcome(Catch::ResultWas::ExplicitFailure, failure.message, options.test.name,
                       where);
        return;
    }
    // What failed is reported by the replay.
    const auto about =
        failure.message.substr(to_string(failure.shrunk_result).size() + 1)
        + "\nor run this test case alone with COROSCOPE_TEST_REPLAY=" + failure.shrunk;
    // Kept from Catch2 at first: if it was told of assertions, the result would not tell of them.
    if (replay(f, failure.shrunk, options, where).ok()) {
        report_outcome(Catch::ResultWas::ExplicitFailure,
                       "failed when explored, but not when replayed:\n" + failure.message,
                       options.test.name, where);
        return;
    }
    replay_in_catch(f, failure.shrunk, about, options, where);
}

}  // namespace detail

/// What `CO_EXPLORE_TEST_CASE` does with its body, for test cases that need options. The
/// environment goes before them: see `read_explore_settings`.
template <class F>
    requires std::is_invocable_v<F&>
void run_catch_exploration(F&& f, explore_options options = {},
                           await_site where = await_site::current()) {
    const auto settings = read_explore_settings(std::move(options));
    const detail::foreign_failures::scope scope;
    if (!settings.replay.empty()) {
        detail::replay_in_catch(f, settings.replay, "schedule: " + settings.replay,
                                settings.options, where);
        return;
    }
    const auto found = explore(f, settings.options, where);
    const auto elsewhere = detail::foreign_failures::instance().take();
    if (found.ok() && !elsewhere.empty()) {
        detail::report_outcome(Catch::ResultWas::ExplicitFailure, elsewhere.front(),
                               settings.options.test.name, where);
    } else if (found.ok()) {
        detail::report_outcome(Catch::ResultWas::Ok, to_string(found), settings.options.test.name,
                               where);
    } else {
        detail::report_exploration(f, *found.failure, settings.options, where);
    }
}

namespace detail {

template <class F>
void run_named_catch_exploration(F&& f, std::string name,
                                 await_site where = await_site::current()) {
    explore_options options;
    options.test.name = std::move(name);
    run_catch_exploration(f, std::move(options), where);
}

}  // namespace detail
}  // namespace coroscope::testkit

/// A test case whose body is a coroutine that is explored:
/// `CO_EXPLORE_TEST_CASE("name", "[tags]") { ... }`.
#define CO_EXPLORE_TEST_CASE(...) \
    COROSCOPE_CO_EXPLORE_TEST_CASE(INTERNAL_CATCH_UNIQUE_NAME(coroscope_test_body_), __VA_ARGS__)

#define COROSCOPE_CO_EXPLORE_TEST_CASE(body, ...)                        \
    static ::coroscope::coro<> body();                                   \
    COROSCOPE_CATCH_TEST_CASE(__VA_ARGS__) {                             \
        ::coroscope::testkit::detail::run_named_catch_exploration(       \
            body, ::coroscope::testkit::detail::test_name(__VA_ARGS__)); \
    }                                                                    \
    static ::coroscope::coro<> body()
