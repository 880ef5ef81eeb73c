// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/await_site.hpp>

#include <exception>
#include <stdexcept>
#include <string>

namespace coroscope::testkit {

/// A mock, a scripted stream or a simulated network was not used as the test expects. Its text says
/// what was expected, and everything that came. Thrown by assertions, and in the code under test
/// where that does what it must not; then the running test fails, too, should that code swallow it.
class assertion_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

namespace detail {

/// Fails the test that runs on this thread, which goes on; without one, the next test fails, as
/// for every exception that surfaces between tests. The result is to be thrown, or to be dropped;
/// a test reports it once.
std::exception_ptr fail_test(const std::string& message, await_site where) noexcept;

}  // namespace detail
}  // namespace coroscope::testkit
