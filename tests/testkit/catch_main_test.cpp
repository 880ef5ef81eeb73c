// SPDX-License-Identifier: Apache-2.0
#include <coroscope/testkit/catch_main.hpp>

#include "testkit/nested_catch.hpp"

#include <coroscope/runtime/sleep.hpp>

#include <cstdlib>
#include <regex>
#include <string>

// A program of its own with the kit's main: its test cases run it again with options of their own.

using namespace std::chrono_literals;
using coroscope::coro;
using coroscope::testkit::this_test;

namespace {

coro<> sleep_for_an_hour() {
    co_await coroscope::sleep_for(1h);
}

void check_plainly(int value) {
    CHECK(value == 2);
}

/// Without what differs from run to run and from place to place.
[[nodiscard]] std::string stable(std::string text) {
    static const std::regex place(R"((?:[^\s:("]*/)?(\w+\.[ch]pp):\d+)");
    static const std::regex attribute(R"re(filename="[^"]*/(\w+\.cpp)" line="\d+")re");
    static const std::regex varying(
        R"re( (?:time|hostname|timestamp|durationInSeconds)="[^"]*")re");
    text = std::regex_replace(text, place, "$1:LINE");
    text = std::regex_replace(text, attribute, "$1");
    return std::regex_replace(text, varying, "");
}

[[nodiscard]] std::string report_of(const std::string& reporter) {
    return stable(
        nested::run("fails in both ways", "COROSCOPE_TEST_SEED=42", "-r " + reporter).output);
}

/// Up to where a console would break lines, which depends on the length of paths.
const std::string beginning_of_context =
    "virtual time: 60 s\n"
    "seed: 42\n"
    "in task 1 (fails in both ways)\n"
    "tasks:\n"
    "    task 1 (fails in both ways) is running\n";
const std::string context =
    beginning_of_context
    + "      at catch_main_test.cpp:LINE\n"
      "      created at catch_main_test.cpp:LINE\n"
      "    task 2 (bystander) sleeps until 3600 s\n"
      "      at catch_main_test.cpp:LINE\n"
      "      created at catch_main_test.cpp:LINE\n";

}  // namespace

int main(int argc, char** argv) {
    return coroscope::testkit::catch_main(argc, argv);
}

CO_TEST_CASE("fails in both ways", "[.]") {
    coroscope::testkit::background(sleep_for_an_hour(), "bystander");
    co_await coroscope::sleep_for(1min);
    CO_CHECK(1 == 2);
    check_plainly(1);
}

CO_TEST_CASE("prints what it is given", "[.]") {
    const auto value_of = [](const char* name) {
        const auto* text = std::getenv(name);
        return std::string(text != nullptr ? text : "nothing");
    };
    std::cout << "seed " << this_test().seed() << ", limit "
              << value_of("COROSCOPE_TEST_TIME_LIMIT") << ", schedules "
              << value_of("COROSCOPE_TEST_SCHEDULES") << ", replay "
              << value_of("COROSCOPE_TEST_REPLAY") << ", shard " << value_of("COROSCOPE_TEST_SHARD")
              << std::endl;
    co_return;
}

TEST_CASE("the command line sets seed, time limit, schedules, replay and shard") {
    const auto run = nested::run("prints what it is given", "",
                                 "--seed 7 --time-limit 2.5 --schedules 100 --replay co1:7:3=0.1 "
                                 "--shard 2/5");
    INFO(run.output);
    CHECK(run.status == 0);
    CHECK(run.has("seed 7, limit 2.5, schedules 100, replay co1:7:3=0.1, shard 2/5"));
}

TEST_CASE("the command line overrides the environment, which stays without it") {
    const auto variables = std::string("COROSCOPE_TEST_SEED=1 COROSCOPE_TEST_TIME_LIMIT=20");
    const auto with = nested::run("prints what it is given", variables, "--seed 7");
    CHECK(with.has("seed 7, limit 20, schedules nothing, replay nothing, shard nothing"));
    const auto without = nested::run("prints what it is given", variables);
    CHECK(without.has("seed 1, limit 20, schedules nothing, replay nothing, shard nothing"));
}

TEST_CASE("options that make no sense are refused before any test runs") {
    const auto seed = nested::run("prints what it is given", "", "--seed x");
    CHECK(seed.status == 2);
    CHECK(seed.has("--seed: COROSCOPE_TEST_SEED is 'x'"));
    CHECK_FALSE(
        seed.has("limit"
                 " nothing"));
    const auto limit = nested::run("prints what it is given", "", "--time-limit soon");
    CHECK(limit.status == 2);
    CHECK(limit.has("--time-limit: COROSCOPE_TEST_TIME_LIMIT is 'soon'"));
    for (const char* wrong : {"--schedules none", "--replay v1:abc", "--shard 6/5"}) {
        const auto run = nested::run("prints what it is given", "", wrong);
        INFO(run.output);
        CHECK(run.status == 2);
        CHECK(run.has(std::string(wrong).substr(0, std::string(wrong).find(' ')) + ": "));
    }
    CHECK(nested::run("prints what it is given", "", "--no-such-option").status == 255);
}

TEST_CASE("--help explains the options beside Catch2's own") {
    const auto run = nested::run("", "", "--help");
    for (const char* option : {"--seed <number>", "--time-limit <seconds>", "--schedules <number>",
                               "--replay <schedule>", "--shard <i/n>", "--list-tests"}) {
        CHECK(run.has(option));
    }
}

TEST_CASE("each reporter shows the async context with both kinds of assertions", "[golden]") {
    for (const char* reporter : {"console", "compact", "junit", "xml"}) {
        INFO(reporter);
        const auto text = nested::unwrapped(report_of(reporter));
        INFO(text);
        std::size_t shown = 0;
        const auto wanted = nested::unwrapped(beginning_of_context);
        for (auto at = text.find(wanted); at != text.npos; at = text.find(wanted, at + 1)) {
            ++shown;
        }
        CHECK(shown == 2);
        CHECK(text.find("task2(bystander)sleepsuntil3600s") != text.npos);
    }
}

TEST_CASE("the junit report of a failed assertion is as documented", "[golden]") {
    const auto text = report_of("junit");
    INFO(text);
    CHECK(text.find("      <failure message=\"1 == 2\" type=\"CO_CHECK\">\n"
                    "FAILED:\n"
                    "  CO_CHECK( 1 == 2 )\n"
                    + context
                    + "at catch_main_test.cpp:LINE\n"
                      "      </failure>\n")
          != std::string::npos);
}

TEST_CASE("the xml report of a failed assertion is as documented", "[golden]") {
    const auto text = report_of("xml");
    INFO(text);
    CHECK(
        text.find("      <Info>\n        " + context
                  + "      </Info>\n"
                    "      <Expression success=\"false\" type=\"CO_CHECK\" catch_main_test.cpp>\n")
        != std::string::npos);
}
