// SPDX-License-Identifier: Apache-2.0
#include <coroscope/testkit/assertion_error.hpp>

#include "test_environment.hpp"

#include <coroscope/runtime/exception_context.hpp>

namespace coroscope::testkit::detail {

std::exception_ptr fail_test(const std::string& message, await_site where) noexcept {
    const auto exception = std::make_exception_ptr(assertion_error(message));
    if (auto* current = test_environment::current(); current != nullptr) {
        current->fail({failure_kind::mock, message, exception, where});
    } else {
        exception_context context;
        context.message = "outside of a test";
        context.exception = exception;
        context.created_at = where;
        report_orphan(context);
    }
    return exception;
}

}  // namespace coroscope::testkit::detail
