// SPDX-License-Identifier: Apache-2.0
// The code of docs/load.md, word for word, and a test that it is.

#include <coroscope/instrumentation/loop_load.hpp>

#include <coroscope/runtime/run.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "support/catch.hpp"

#include <fstream>
#include <iterator>
#include <string>

namespace {

coroscope::coro<int> serve(int requests) {
    for (int i = 0; i < requests; ++i) {
        co_await coroscope::yield_now();
    }
    co_return requests;
}

coroscope::coro<> serve_and_measure(std::string& text) {
    coroscope::instrumentation::loop_load load;
    auto& loop = coroscope::get_running_loop();
    loop.add_observer(load);
    const auto before = load.read();
    co_await serve(3);
    const auto after = load.read();
    loop.remove_observer(load);
    if (after.utilisation_since(before) > 0.8) { text = "the loop has little time left\n"; }
    text += log_text(load.read());
}

std::string text_of(const std::string& path) {
    std::ifstream file(path);
    REQUIRE(file);
    return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

TEST_CASE("the code of the page on load measures a loop that it is attached to on the way") {
    std::string text;
    coroscope::run(serve_and_measure(text));
    CHECK_THAT(text, Catch::Matchers::Contains("from wake-up to run: half below 0"));
    CHECK_THAT(text, Catch::Matchers::Contains("steps in 3 passes"));
}

TEST_CASE("the code of the page on load is what this file compiles") {
    const std::string folder = COROSCOPE_SOURCE_DIR;
    const auto page = text_of(folder + "/docs/load.md");
    const auto code = text_of(folder + "/tests/instrumentation/load_page_test.cpp");
    const std::string fence = "```cpp\n";
    std::size_t blocks = 0;
    for (auto at = page.find(fence); at != std::string::npos; at = page.find(fence, at)) {
        at += fence.size();
        const auto block = page.substr(at, page.find("```", at) - at);
        INFO(block);
        CHECK(code.find(block) != std::string::npos);
        ++blocks;
    }
    CHECK(blocks == 1);
}
