// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/error.hpp>

#include "support/catch.hpp"

#include <stdexcept>
#include <string>
#include <type_traits>

TEST_CASE("cancelled_error is not caught with runtime or logic errors, and keeps its message") {
    STATIC_REQUIRE_FALSE(std::is_base_of_v<std::runtime_error, coroscope::cancelled_error>);
    STATIC_REQUIRE_FALSE(std::is_base_of_v<std::logic_error, coroscope::cancelled_error>);
    STATIC_REQUIRE(std::is_base_of_v<std::exception, coroscope::cancelled_error>);
    const coroscope::cancelled_error plain;
    CHECK(plain.message().empty());
    CHECK(std::string(plain.what()) == "the task was cancelled");
    const coroscope::cancelled_error told("because");
    CHECK(told.message() == "because");
    CHECK(std::string(told.what()) == "because");
}

TEST_CASE("the other errors are what users of the standard library expect") {
    STATIC_REQUIRE(std::is_base_of_v<std::runtime_error, coroscope::timeout_error>);
    STATIC_REQUIRE(std::is_base_of_v<std::logic_error, coroscope::invalid_state_error>);
    STATIC_REQUIRE(std::is_base_of_v<std::runtime_error, coroscope::broken_loop_error>);
    CHECK(std::string(coroscope::timeout_error().what()).find("in time") != std::string::npos);
    CHECK(std::string(coroscope::timeout_error("own text").what()) == "own text");
}
