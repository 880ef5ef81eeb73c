// SPDX-License-Identifier: Apache-2.0
#include <coroscope/report/error.hpp>

#include "support/catch.hpp"

#include <string>

using coroscope::report::report_error;

TEST_CASE("a report error names the place, the problem and the next step", "[report]") {
    const report_error error("$.program", "expected a string, found null", "write it again");
    CHECK(std::string(error.what()) == "$.program: expected a string, found null; write it again");
    CHECK(error.file().empty());
}

TEST_CASE("a report error in a file names the file first and keeps the rest", "[report]") {
    const auto error = report_error("byte 7", "not valid JSON", "check it").in_file("run.json");
    CHECK(std::string(error.what()) == "run.json: byte 7: not valid JSON; check it");
    CHECK(error.file() == "run.json");
    CHECK(error.place() == "byte 7");
    CHECK(error.problem() == "not valid JSON");
    CHECK(error.next_step() == "check it");
}

TEST_CASE("a report error without a place or a next step leaves no stray punctuation", "[report]") {
    CHECK(std::string(report_error("", "cannot be opened", "").what()) == "cannot be opened");
}
