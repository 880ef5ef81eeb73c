// SPDX-License-Identifier: Apache-2.0
// The code of docs/lints.md, word for word, and a test that it is; and that each rule has a
// section.

#include <coroscope/instrumentation/lints.hpp>
#include <coroscope/instrumentation/run_report.hpp>

#include <coroscope/runtime/run.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "support/catch.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <unistd.h>

namespace {

coroscope::coro<int> answer() {
    co_return 42;
}

coroscope::coro<> serve() {
    co_await coroscope::yield_now();
    static_cast<void>(answer());
}

std::vector<coroscope::report::finding> serve_and_lint(const std::string& path) {
    coroscope::instrumentation::lints lints;
    coroscope::instrumentation::run_report report("server");
    report.add(lints);

    coroscope::run_options options;
    options.prepare = [&lints](coroscope::loop& loop) {
        lints.attach_to(loop);
    };
    coroscope::run(serve(), options);
    coroscope::report::write_report(report.make(), path);
    return lints.findings();
}

std::string text_of(const std::string& path) {
    std::ifstream file(path);
    REQUIRE(file);
    return {std::istreambuf_iterator<char>(file), {}};
}

const std::string page_path = COROSCOPE_SOURCE_DIR "/docs/lints.md";

}  // namespace

TEST_CASE("the code of the page on lints writes its findings into a report") {
    const auto path = std::filesystem::temp_directory_path()
                      / ("coroscope-lints-" + std::to_string(::getpid()) + ".json");
    const auto findings = serve_and_lint(path.string());
    const auto report = coroscope::report::read_report(path);
    std::filesystem::remove(path);
    REQUIRE(findings.size() == 1);
    CHECK(findings[0].rule == "never-awaited");
    CHECK(report.findings == findings);
}

TEST_CASE("the code of the page on lints is what this file compiles") {
    const auto page = text_of(page_path);
    const auto code = text_of(COROSCOPE_SOURCE_DIR "/tests/instrumentation/lints_page_test.cpp");
    const std::string fence = "```cpp\n";
    const auto begin = page.find(fence);
    REQUIRE(begin != std::string::npos);
    const auto block =
        page.substr(begin + fence.size(), page.find("```", begin + 3) - begin - fence.size());
    INFO(block);
    CHECK(code.find(block) != std::string::npos);
    CHECK(page.find(fence, begin + 1) == std::string::npos);
}

TEST_CASE("the page on lints has a section and a row for each rule") {
    using coroscope::instrumentation::lint_rule;
    const auto page = text_of(page_path);
    for (int i = 0; i <= static_cast<int>(lint_rule::wrong_thread); ++i) {
        const std::string name(to_string(static_cast<lint_rule>(i)));
        INFO(name);
        CHECK(page.find("\n## " + name + "\n") != std::string::npos);
        CHECK(page.find("| [`" + name + "`](#" + name + ") |") != std::string::npos);
    }
}
