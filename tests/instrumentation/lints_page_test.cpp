// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/lints.hpp>

#include "support/catch.hpp"

#include <fstream>
#include <iterator>
#include <string>

TEST_CASE("the page on lints has a section and a row for each rule") {
    using coroscope::instrumentation::lint_rule;
    std::ifstream file(COROSCOPE_SOURCE_DIR "/docs/lints.md");
    REQUIRE(file);
    const std::string page{std::istreambuf_iterator<char>(file), {}};
    for (int i = 0; i <= static_cast<int>(lint_rule::wrong_thread); ++i) {
        const std::string name(to_string(static_cast<lint_rule>(i)));
        INFO(name);
        CHECK(page.find("\n## " + name + "\n") != std::string::npos);
        CHECK(page.find("| [`" + name + "`](#" + name + ") |") != std::string::npos);
    }
}
