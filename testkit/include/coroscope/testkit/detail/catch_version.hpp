// SPDX-License-Identifier: Apache-2.0
#pragma once

// Everything in which Catch2 2.13 and 3 differ for the test kit. Written against what both have:
// AssertionHandler, Decomposer, ITransientExpression, TestFailureException.

#if __has_include(<catch2/catch_test_macros.hpp>)
#include <catch2/catch_test_macros.hpp>
#include <catch2/internal/catch_assertion_handler.hpp>
#include <catch2/internal/catch_decomposer.hpp>
#include <catch2/internal/catch_test_failure_exception.hpp>
#if __has_include(<catch2/internal/catch_test_run_info.hpp>)
#include <catch2/internal/catch_test_run_info.hpp>
#endif
#define COROSCOPE_CATCH_VERSION 3
#else
#include <catch2/catch.hpp>
#define COROSCOPE_CATCH_VERSION 2
#endif

#include <exception>
#include <sstream>
#include <string>
#include <utility>

#ifdef CATCH_CONFIG_PREFIX_ALL
#define COROSCOPE_CATCH_TEST_CASE CATCH_TEST_CASE
#else
#define COROSCOPE_CATCH_TEST_CASE TEST_CASE
#endif

namespace coroscope::testkit::detail {

#if COROSCOPE_CATCH_VERSION == 3

inline void report_message(Catch::AssertionHandler& handler, Catch::ResultWas::OfType kind,
                           const std::string& text) {
    handler.handleMessage(kind, std::string(text));
}
[[noreturn]] inline void throw_test_failure() {
    Catch::throw_test_failure_exception();
}

#else

inline void report_message(Catch::AssertionHandler& handler, Catch::ResultWas::OfType kind,
                           const std::string& text) {
    handler.handleMessage(kind, Catch::StringRef(text.c_str(), text.size()));
}
[[noreturn]] inline void throw_test_failure() {
    throw Catch::TestFailureException();
}

#endif

// Catch2 3.3 and later can skip a test case from within; the exception for it came with that.
#if COROSCOPE_CATCH_VERSION == 3 && __has_include(<catch2/internal/catch_test_failure_exception.hpp>) && defined(SKIP)
inline constexpr bool catch_can_skip = true;
#else
inline constexpr bool catch_can_skip = false;
#endif

}  // namespace coroscope::testkit::detail
