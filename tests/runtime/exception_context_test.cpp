// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/exception_context.hpp>

#include "support/catch.hpp"

#include <exception>
#include <stdexcept>
#include <string>

using coroscope::describe;

namespace {

struct unusual {};

}  // namespace

TEST_CASE("an exception is described by what it says, or by its type") {
    CHECK(describe(std::make_exception_ptr(std::runtime_error("says this"))) == "says this");
    CHECK(describe(std::make_exception_ptr(unusual{})).find("unusual") != std::string::npos);
    CHECK(describe(std::make_exception_ptr(5)).find("an exception of type i") == 0);
    CHECK(describe(nullptr) == "no exception");
}

TEST_CASE("a context concerns nothing until it is filled") {
    const coroscope::exception_context context;
    CHECK(context.message.empty());
    CHECK(context.exception == nullptr);
    CHECK(context.task_id == 0);
    CHECK(context.future_id == 0);
    CHECK(context.handle_id == 0);
    CHECK(context.created_at.line() == 0);
}
