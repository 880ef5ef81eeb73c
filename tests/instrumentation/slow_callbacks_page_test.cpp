// SPDX-License-Identifier: Apache-2.0
// The code of docs/slow-callbacks.md, word for word, and a test that it is.

#include <coroscope/instrumentation/run_report.hpp>

#include <coroscope/runtime/run.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "support/catch.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <unistd.h>

using namespace std::chrono_literals;

namespace {

coroscope::coro<int> serve(int requests) {
    for (int i = 0; i < requests; ++i) {
        co_await coroscope::yield_now();
    }
    co_return requests;
}

int serve_and_report(const std::string& path) {
    coroscope::instrumentation::slow_spotter spotter;
    coroscope::instrumentation::profiler profiler;
    coroscope::instrumentation::run_report report("docserver");
    report.add(spotter).add(profiler);

    coroscope::run_options options;
    options.prepare = [&spotter](coroscope::loop& loop) {
        loop.set_slow_callback_duration(5ms);
        spotter.attach_to(loop);
    };
    auto serve_timed = profiler.profile_time("serve", serve);
    const auto served = coroscope::run(serve_timed(3), options);
    coroscope::report::write_report(report.make(), path);
    return served;
}

std::string text_of(const std::string& path) {
    std::ifstream file(path);
    REQUIRE(file);
    return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

TEST_CASE("the code of the page on slow callbacks writes its report") {
    const auto path = std::filesystem::temp_directory_path()
                      / ("coroscope-page-" + std::to_string(::getpid()) + ".json");
    CHECK(serve_and_report(path.string()) == 3);
    const auto report = coroscope::report::read_report(path);
    std::filesystem::remove(path);
    CHECK(report.slow_threshold == 5ms);
    CHECK(report.time.at("serve").calls == 1);
    CHECK_FALSE(report.loops.empty());
}

TEST_CASE("the code of the page on slow callbacks is what this file compiles") {
    const auto page = text_of(COROSCOPE_SOURCE_DIR "/docs/slow-callbacks.md");
    const auto code =
        text_of(COROSCOPE_SOURCE_DIR "/tests/instrumentation/slow_callbacks_page_test.cpp");
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
