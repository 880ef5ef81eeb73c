// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/exception_group.hpp>

#include "support/catch.hpp"

#include <stdexcept>
#include <string>
#include <vector>

using coroscope::exception_group;

namespace {

template <class E>
std::exception_ptr made(const char* what) {
    return std::make_exception_ptr(E(what));
}

exception_group nested() {
    const exception_group inner(
        "inner", {made<std::out_of_range>("far"), made<std::runtime_error>("broken")});
    return exception_group("outer",
                           {std::make_exception_ptr(inner), made<std::out_of_range>("farther")});
}

}  // namespace

TEST_CASE("an exception_group lists what it holds, groups indented", "[waiting]") {
    CHECK(std::string(nested().what())
          == "outer (2 exceptions)\n1. inner (2 exceptions)\n   1. far\n   2. broken\n2. farther");
    CHECK(nested().message() == "outer");
    CHECK(nested().exceptions().size() == 2);
    const exception_group one("just", {made<std::runtime_error>("one")});
    CHECK(std::string(one.what()) == "just (1 exception)\n1. one");
}

TEST_CASE("an exception_group holds at least one exception, and no null", "[waiting]") {
    CHECK_THROWS_AS(exception_group("none", {}), std::invalid_argument);
    CHECK_THROWS_AS(exception_group("null", {nullptr}), std::invalid_argument);
}

TEST_CASE("split separates by type and keeps the nesting", "[waiting]") {
    const auto [far, rest] = nested().split<std::out_of_range>();
    REQUIRE(far.has_value());
    REQUIRE(rest.has_value());
    CHECK(std::string(far->what())
          == "outer (2 exceptions)\n1. inner (1 exception)\n   1. far\n2. farther");
    CHECK(std::string(rest->what()) == "outer (1 exception)\n1. inner (1 exception)\n   1. broken");
}

TEST_CASE("split by what nothing is, or by what everything is, leaves one half empty",
          "[waiting]") {
    CHECK_FALSE(nested().split<std::bad_alloc>().first.has_value());
    CHECK(nested().split<std::bad_alloc>().second.has_value());
    CHECK(nested().split<std::exception>().first.has_value());
    CHECK_FALSE(nested().split<std::exception>().second.has_value());
}

TEST_CASE("contains looks into groups within the group", "[waiting]") {
    CHECK(nested().contains<std::out_of_range>());
    CHECK(nested().contains<std::runtime_error>());
    CHECK_FALSE(nested().contains<std::bad_alloc>());
}
