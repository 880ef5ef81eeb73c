// SPDX-License-Identifier: Apache-2.0
#pragma once

// Everything in which Catch2 2.13 and 3 differ for the test kit. What both have in the same form is
// used directly: AssertionHandler, Decomposer, ITransientExpression, TestFailureException.

#if __has_include(<catch2/catch_test_macros.hpp>)
#include <catch2/catch_message.hpp>
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/internal/catch_assertion_handler.hpp>
#include <catch2/internal/catch_decomposer.hpp>
#include <catch2/internal/catch_test_failure_exception.hpp>
#ifdef COROSCOPE_CATCH_RUNNER
#include <catch2/catch_session.hpp>
#include <catch2/reporters/catch_reporter_event_listener.hpp>
#include <catch2/reporters/catch_reporter_registrars.hpp>
#endif
#define COROSCOPE_CATCH_VERSION 3
#else
#ifdef COROSCOPE_CATCH_RUNNER
#ifdef TWOBLUECUBES_SINGLE_INCLUDE_CATCH_HPP_INCLUDED
#error \
    "include <coroscope/testkit/catch_main.hpp> before every other header of Catch2 and the test kit"
#endif
#define CATCH_CONFIG_RUNNER
#endif
#include <catch2/catch.hpp>
#define COROSCOPE_CATCH_VERSION 2
#endif

#include <cstring>
#include <string>
#include <typeinfo>

#ifdef CATCH_CONFIG_PREFIX_ALL
#define COROSCOPE_CATCH_TEST_CASE CATCH_TEST_CASE
#define COROSCOPE_CATCH_TEMPLATE_TEST_CASE CATCH_TEMPLATE_TEST_CASE
#else
#define COROSCOPE_CATCH_TEST_CASE TEST_CASE
#define COROSCOPE_CATCH_TEMPLATE_TEST_CASE TEMPLATE_TEST_CASE
#endif

// Catch2's own macros need no suppression with g++, as they come from a system header.
#if defined(__GNUC__) && !defined(__clang__)
#define COROSCOPE_SUPPRESS_USELESS_CAST_WARNINGS \
    _Pragma("GCC diagnostic ignored \"-Wuseless-cast\"")
#define COROSCOPE_SUPPRESS_PARENTHESES_WARNINGS _Pragma("GCC diagnostic ignored \"-Wparentheses\"")
#else
#define COROSCOPE_SUPPRESS_USELESS_CAST_WARNINGS
#define COROSCOPE_SUPPRESS_PARENTHESES_WARNINGS CATCH_INTERNAL_SUPPRESS_PARENTHESES_WARNINGS
#endif

namespace coroscope::testkit::detail {

inline void report_message(Catch::AssertionHandler& handler, Catch::ResultWas::OfType kind,
                           const std::string& text) {
#if COROSCOPE_CATCH_VERSION == 3
    handler.handleMessage(kind, std::string(text));
#else
    handler.handleMessage(kind, Catch::StringRef(text.c_str(), text.size()));
#endif
}

/// Ends a test in the way that Catch2's own assertions do.
[[noreturn]] inline void throw_test_failure() {
#if COROSCOPE_CATCH_VERSION == 3
    Catch::throw_test_failure_exception();
#else
    throw Catch::TestFailureException();
#endif
}

/// True for the exceptions with which Catch2 ends a test that it has reported already. Catch2 3.3
/// and later has one for skipped tests, too, which cannot be named where it does not exist.
[[nodiscard]] inline bool ends_a_catch_test(const std::type_info& exception) noexcept {
    return exception == typeid(Catch::TestFailureException)
           || std::strcmp(exception.name(), "N5Catch17TestSkipExceptionE") == 0;
}

#ifdef COROSCOPE_CATCH_RUNNER

#if COROSCOPE_CATCH_VERSION == 3
namespace catch_command_line = Catch::Clara;
using catch_listener = Catch::EventListenerBase;
using listener_result = void;
#else
namespace catch_command_line = Catch::clara;
using catch_listener = Catch::TestEventListenerBase;
using listener_result = bool;  // true: Catch2 may forget what INFO and CAPTURE have said
#endif

/// Is told of each assertion before the reporter is, and may add to what that will show.
class assertion_listener : public catch_listener {
public:
    using catch_listener::catch_listener;
    listener_result assertionEnded(const Catch::AssertionStats& stats) final {
        // Catch2 makes them for this one event, and listeners come before the reporter.
        if (!stats.assertionResult.isOk()) {
            on_failure(const_cast<Catch::AssertionStats&>(stats));
        }
        return listener_result();
    }

private:
    virtual void on_failure(Catch::AssertionStats& stats) = 0;
};

/// Registers `Listener` with Catch2.
template <class Listener>
class listener_registration : private Catch::ListenerRegistrar<Listener> {
public:
    explicit listener_registration([[maybe_unused]] const char* name)
#if COROSCOPE_CATCH_VERSION == 3
        : Catch::ListenerRegistrar<Listener>(Catch::StringRef(name))
#endif
    {
    }
};

#endif  // COROSCOPE_CATCH_RUNNER

}  // namespace coroscope::testkit::detail
