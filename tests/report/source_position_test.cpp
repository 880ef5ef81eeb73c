// SPDX-License-Identifier: Apache-2.0
#include <coroscope/report/source_position.hpp>

#include <coroscope/report/error.hpp>

#include "support/catch.hpp"

#include <nlohmann/json.hpp>

using namespace coroscope::report;

TEST_CASE("a position is taken from the compiler's location", "[report]") {
    const auto here = std::source_location::current();
    const auto position = source_position::from(here);
    CHECK(position.file == here.file_name());
    CHECK(position.line == here.line());
    CHECK(position.function == here.function_name());
}

TEST_CASE("a position is written as file:line", "[report]") {
    CHECK(to_string(source_position{"src/a.cpp", 12, "f()"}) == "src/a.cpp:12");
    CHECK(to_string(source_position{}) == "(unknown)");
}

TEST_CASE("a position survives the way through JSON", "[report]") {
    const source_position position{"src/a.cpp", 12, "void f()"};
    const auto json = to_json(position);
    CHECK(read_source_position(json_view(json)) == position);
}

TEST_CASE("a position without a line is refused", "[report]") {
    const nlohmann::json json{{"file", "a.cpp"}};
    CHECK_THROWS_AS(read_source_position(json_view(json)), report_error);
}
